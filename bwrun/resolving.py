"""
From variables that hold references to their values: all of them, or the run does not start.

What is read is the environment that the command would get, so that a reference
which somebody else's value replaces is never looked up.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from bwrun.errors import FailedReferenceError, InvalidReferenceError, SecretError, UnresolvedReferencesError
from bwrun.references import Reference, is_reference, parse_all, resolve
from bwrun.session.data_file import sync_of
from bwrun.vault import Vault

if TYPE_CHECKING:
    from bwrun.items import Attachment
    from bwrun.unlock import Unlocked


def find_references(environment: Mapping[bytes, bytes]) -> dict[str, Reference]:
    """
    Return the references in an environment, by variable.

    Raises UnresolvedReferencesError: with all that are malformed.
    """
    texts = {os.fsdecode(name): value.decode("utf-8", "surrogateescape") for name, value in environment.items()}
    files = [name for name, text in texts.items() if text[:1] == "@" and is_reference(text[1:])]
    if files:
        error = InvalidReferenceError("a reference to a file (`@bw://`) is not supported yet", "write `bw://…`")
        raise UnresolvedReferencesError([FailedReferenceError(name, error) for name in files])
    return parse_all({name: text for name, text in texts.items() if is_reference(text)})


def resolve_variables(
    references: Mapping[str, Reference], unlocked: Unlocked, *, optional: Collection[str], allow_protected: bool
) -> dict[bytes, bytes | None]:
    """
    Return the values for the command's environment; None for an optional one that is missing.

    Raises UnresolvedReferencesError: with all that cannot be resolved, or cannot be a variable's value.
    """

    def download(attachment: Attachment) -> bytes:
        return unlocked.client.download_attachment(attachment.item_id, attachment.id, unlocked.login.access_token)

    vault = Vault(sync_of(unlocked.sync), unlocked.keys, allow_protected=allow_protected, download=download)
    values = {name: value.reveal() for name, value in resolve(references, vault, optional).items()}
    holding_nul = [
        FailedReferenceError(name, SecretError("nul", "the value holds a NUL byte, and a variable cannot"))
        for name, value in values.items()
        if b"\0" in value
    ]
    if holding_nul:
        raise UnresolvedReferencesError(holding_nul)
    return {os.fsencode(name): values.get(name) for name in references}
