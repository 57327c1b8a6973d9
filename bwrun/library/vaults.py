"""`open_vault()`: the vault, opened in the caller's own process, and the values of references."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Unpack

from bwrun.base.errors import FailedReferenceError, SecretError, UnresolvedReferencesError
from bwrun.base.timings import Timings
from bwrun.injection.lookup import Lookup
from bwrun.injection.newlines import with_newlines
from bwrun.injection.placeholders import TextWithReferences
from bwrun.library.keywords import VAULT_KEYWORDS, VaultOptions, check_mapping, check_texts, options_of
from bwrun.library.telling import LoggingConsole, guarded
from bwrun.library.texts import parse_texts
from bwrun.opening.steps import Opening, read_settings
from bwrun.planning.plan import make_plan
from bwrun.references.grammar import Reference, parse
from bwrun.settings.command_line import Options
from bwrun.settings.option_names import LIST
from bwrun.vault.vault import ListedItem
from bwrun.vault.vault import Vault as SyncedVault


class Vault:
    """
    An open vault: what `open_vault()` gives for the block. Its methods may be called from several threads.

    It is as it was when the block began. After the block, every method raises ValueError.
    """

    def __init__(self, opening: Opening, vault: SyncedVault | None) -> None:
        """Take over what has been opened. Programs call `open_vault()`."""
        self._opening = opening
        self._vault = vault
        self._lock = threading.RLock()

    def get(self, reference: str) -> str:
        """
        Return the value of one reference, `bw://ITEM/FIELD`, as text.

        Raises SecretError: the reference is malformed, there is no such item or field, the item cannot be used, or the
        value is not text in UTF-8; CryptoError: it cannot be decrypted; NetworkError, ServerError: an attachment cannot
        be downloaded; ValueError: the block has ended.
        """
        check_texts("reference", reference)
        with self._lock:
            vault = self._open_vault()
            return guarded(lambda: _text(reference, _value(vault, reference)))

    def get_bytes(self, reference: str) -> bytes:
        """Return the value of one reference as bytes, which attachments may need. Raises what `get()` raises."""
        check_texts("reference", reference)
        with self._lock:
            vault = self._open_vault()
            return guarded(lambda: _value(vault, reference))

    def resolve(self, texts: Mapping[str, str], *, optional: Collection[str] = ()) -> dict[str, str]:
        """
        Return texts with values in place of their references, by the same names: all of them or none.

        A text may be a reference, or contain references in braces, as in `postgres://app:{{ bw://db/password }}@host`.
        Texts without a reference stay as they are. Those whose names are in `optional` are left out of the result if
        the item or the field does not exist.

        Raises UnresolvedReferencesError: at least one failed; `failures` has all of them; ValueError: the block has
        ended.
        """
        check_mapping("texts", texts)
        with self._lock:
            vault = self._open_vault()
            return guarded(lambda: _resolve(vault, texts, optional))

    def items(self) -> list[ListedItem]:
        """
        Return all items but those in the trash, sorted by name: names, types and places, and no secret.

        Raises ValueError: the block has ended.
        """
        with self._lock:
            vault = self._open_vault()
            return guarded(vault.list_items)

    def close(self) -> None:
        """Close the connections, and let go of the vault and its keys. The end of the block does this."""
        with self._lock:
            self._vault = None
            self._opening.close()

    def __repr__(self) -> str:
        """Return whether the vault is open, and nothing of its content."""
        return f"<Vault, {'closed' if self._vault is None else 'open'}>"

    def _open_vault(self) -> SyncedVault:
        if self._vault is None:
            raise ValueError("the vault is closed: use it inside the `with` block of `open_vault()`")
        self._opening.restart_deadline()
        return self._vault


@contextmanager
def open_vault(
    *, environment: Mapping[str, str] | None = None, prompt: bool = False, **options: Unpack[VaultOptions]
) -> Iterator[Vault]:
    """
    Log in, unlock the vault in this process, and give it to the block. At the end of the block it is closed.

    `environment` has the variables with credentials and settings, in place of `os.environ`. With `prompt`, credentials
    that are missing are asked for on the terminal. The `options` are the long options of bwrun's command line.

    Inside a command of bwrun that has a session, that session is read, and nothing logs in.

    Raises BwrunError; TypeError: an option is unknown or of a wrong type.
    """
    given, winning = options_of(options, VAULT_KEYWORDS, "open_vault")
    given.mode = LIST  # needs what `--list` needs: the whole vault, and no session
    given.flags.add("verbose")  # for the log, and so that nothing that takes long is shown on a terminal
    if not prompt:
        winning["BW_NOINTERACTION"] = "1"
    if environment is not None:
        check_mapping("environment", environment)
    vault = guarded(lambda: _open(given, {**(os.environ if environment is None else environment), **winning}))
    try:
        yield vault
    finally:
        vault.close()


def _open(options: Options, environment: Mapping[str, str]) -> Vault:
    console = LoggingConsole()
    config = read_settings(options, environment)
    console.print_warnings(config.warnings)
    opening = Opening(config, console, Timings(time.monotonic()))
    try:
        plan = opening.follow(make_plan(config, os.getpid(), console))
        opening.connect(plan)
        unlocked = opening.unlock(plan)
        return Vault(opening, opening.vault_of(unlocked, allow_protected=config.allow_protected))
    except BaseException:
        opening.close()
        raise


def _value(vault: SyncedVault, reference: str) -> bytes:
    parsed = parse(reference)
    value = vault.value(parsed).reveal()
    return value if parsed.newline is None else with_newlines(value)


def _resolve(vault: SyncedVault, texts: Mapping[str, str], optional: Collection[str]) -> dict[str, str]:
    failures: list[FailedReferenceError] = []
    parsed = parse_texts(texts, failures)
    lookup = Lookup(vault, optional)
    found: dict[str, str] = {}
    for name, one in parsed.items():
        value = one if isinstance(one, str) else _look_up(lookup, name, one)
        if value is not None:
            found[name] = value
    failures += lookup.failures
    if failures:
        raise UnresolvedReferencesError(failures)
    return found


def _look_up(lookup: Lookup, name: str, wanted: Reference | TextWithReferences) -> str | None:
    """Return the text with its values; None if that failed, or is missing and optional."""
    value = lookup.value(name, wanted) if isinstance(wanted, Reference) else lookup.composed(name, wanted)
    try:
        return None if value is None else _text(name, value)
    except SecretError as error:
        lookup.failures.append(FailedReferenceError(name, error))
        return None


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretError("not-text", f"the value of `{name}` is not text in UTF-8", "use `get_bytes()`") from None
