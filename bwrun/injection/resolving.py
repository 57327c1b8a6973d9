"""From what a run wants to what it gets: all of it, or the run does not start."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from bwrun.base.errors import (
    AmbiguousReferenceError,
    BwrunError,
    FailedReferenceError,
    InvalidReferenceError,
    SecretError,
    UnresolvedReferencesError,
)
from bwrun.base.structs import Struct
from bwrun.injection.variable_names import refusal_from_item
from bwrun.references.grammar import Reference, resolve
from bwrun.settings.sources import AGENT_VARIABLE
from bwrun.vault.sync import sync_of
from bwrun.vault.vault import Vault

if TYPE_CHECKING:
    from bwrun.base.sensitive import Sensitive
    from bwrun.injection.requested import Wanted
    from bwrun.injection.ssh_keys import SshKey
    from bwrun.login.unlocking import Unlocked
    from bwrun.vault.items import Attachment

MAX_VARIABLE = 32 * os.sysconf("SC_PAGESIZE")  # bytes of NAME=VALUE and its NUL: execve(2), MAX_ARG_STRLEN


class SecretFile(Struct):
    """A file for the command: `variable` gets its path."""

    variable: str
    name: str
    content: bytes


class Resolved(Struct):
    """What the vault gave."""

    values: dict[str, bytes | None]  # variable → value; None: optional and missing
    from_items: dict[str, Reference]  # the variables among them that are an item's custom fields
    files: tuple[SecretFile, ...]
    overruled: dict[str, Reference]  # custom fields whose variables -e, --template or --ssh-key sets
    ssh_keys: tuple[SshKey, ...]

    @property
    def paths(self) -> list[str]:
        """Return the variables that get a file's path."""
        return [file.variable for file in self.files]


def open_vault(unlocked: Unlocked, *, allow_protected: bool) -> Vault:
    """Return the vault of the sync; a file that is asked for twice is downloaded once."""
    bodies: dict[tuple[str, str], bytes] = {}

    def download(attachment: Attachment) -> bytes:
        key = (attachment.item_id, attachment.id)
        if key not in bodies:
            bodies[key] = unlocked.client.download_attachment(*key, unlocked.login.access_token)
        return bodies[key]

    return Vault(sync_of(unlocked.sync), unlocked.keys, allow_protected=allow_protected, download=download)


def resolve_wanted(
    wanted: Wanted, vault: Vault | None, optional: Collection[str], assigned: Collection[str]
) -> Resolved:
    """
    Return everything that is wanted; `assigned` are variables (-e) that no item's custom field replaces.

    Without a `vault` nothing may be referred to: what is wanted are copies of templates.

    Raises UnresolvedReferencesError: with all that cannot be resolved, or cannot be what it is wanted for.
    """
    failures: list[FailedReferenceError] = []
    overruled = dict.fromkeys([*assigned, *(template.variable for template in wanted.templates)])
    overruled |= {AGENT_VARIABLE: None} if wanted.ssh_keys else {}
    fields, from_items = _resolve_items(wanted.items, vault, overruled, failures) if vault else ({}, {})
    names = {name: one for name, one in (wanted.variables | wanted.files).items() if name not in fields}
    spots = {spot.place: spot.reference for template in wanted.templates for spot in template.spots}
    found: dict[str, Sensitive] = {}
    try:
        found = resolve(names | spots, vault, optional) if vault else {}
    except UnresolvedReferencesError as error:
        failures += error.failures
    ssh_keys = _resolve_ssh_keys(wanted, vault, failures)
    values = {name: one.reveal() for name, one in found.items()}
    variables = fields | {name: values.get(name) for name in wanted.variables if name in names}
    problems = {name: _problem(name, value) for name, value in variables.items() if value is not None}
    failures += [FailedReferenceError(name, problem) for name, problem in problems.items() if problem is not None]
    if failures:
        raise UnresolvedReferencesError(failures)
    missing: dict[str, bytes | None] = {name: None for name in wanted.files if name in names and name not in values}
    files = [
        SecretFile(name, _file_name(name, number), values[name])
        for number, name in enumerate(wanted.files)
        if name in names and name in values
    ]
    files += [SecretFile(one.variable, one.file_name, one.fill(values)) for one in wanted.templates]
    lost = {name: reference for name, reference in overruled.items() if reference is not None}
    return Resolved(variables | missing, from_items, tuple(files), lost, ssh_keys)


def _resolve_ssh_keys(wanted: Wanted, vault: Vault | None, failures: list[FailedReferenceError]) -> tuple[SshKey, ...]:
    if vault is None or not wanted.ssh_keys:
        return ()
    from bwrun.injection.ssh_keys import resolve_ssh_keys  # noqa: PLC0415  (only for --ssh-key)

    return resolve_ssh_keys(wanted.ssh_keys, vault, failures)


def _problem(name: str, value: bytes) -> SecretError | None:
    """Return why a variable cannot have the value, None if it can."""
    hint = f"put the value into a file: `-e {name}=@bw://…`"
    if b"\0" in value:
        return SecretError("nul", "the value contains a NUL byte, which a variable cannot", hint)
    if len(os.fsencode(name)) + len(value) + 2 > MAX_VARIABLE:
        return SecretError(
            "too-large", f"the value has {len(value)} bytes, more than the kernel allows in a variable",
            hint,
        )  # fmt: skip
    return None


def _resolve_items(
    items: Collection[Reference],
    vault: Vault,
    overruled: dict[str, Reference | None],
    failures: list[FailedReferenceError],
) -> tuple[dict[str, bytes | None], dict[str, Reference]]:
    """
    Return the values and the items of all custom fields, by variable; add what is wrong to `failures`.

    The variables in `overruled` are set by others: the items that have a field of that name are noted there.
    """
    values: dict[str, bytes | None] = {}
    owners: dict[str, Reference] = {}
    for reference in items:
        label = f"--item {reference.item}"
        try:
            found: Mapping[str, Sensitive] = vault.custom_fields(reference)
        except BwrunError as error:
            failures.append(FailedReferenceError(label, error))
            continue
        for name, value in found.items():
            if name in overruled:
                overruled[name] = reference
                continue
            why = refusal_from_item(name)
            problem: SecretError | None = None
            if why is not None:
                hint = "rename the field, or set a variable of another name with `-e NAME=bw://ITEM/FIELD`"
                problem = InvalidReferenceError(f"a custom field cannot become a variable: {why}", hint)
            elif name in values:
                other = f"item `{owners[name].item}` has a custom field `{name}` too"
                problem = AmbiguousReferenceError(other, f"choose one of them with `-e {name}=bw://ITEM/{name}`")
            if problem is not None:
                failures.append(FailedReferenceError(label, problem))
                continue
            values[name], owners[name] = value.reveal(), reference
    return values, owners


def _file_name(variable: str, number: int) -> str:
    """Return a name that any file system takes: the variable's own where it can be."""
    safe = variable.isascii() and variable.replace("_", "a").isalnum() and len(variable) <= 100
    return variable if safe else f".{number}"  # no template's OUT begins with a dot


def to_environment(resolved: Resolved, paths: Mapping[str, str]) -> dict[bytes, bytes | None]:
    """Return the variables for the command, with the files' `paths`; None: it is to be unset."""
    values = resolved.values | {name: os.fsencode(path) for name, path in paths.items()}
    return {os.fsencode(name): value for name, value in values.items()}
