"""Resolving the secrets that a run asks for: either all of them get their values, or the run fails."""

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
from bwrun.login.fetching import fetch_item
from bwrun.references.grammar import Reference, resolve
from bwrun.settings.sources import AGENT_VARIABLE
from bwrun.settings.variable_names import why_forbidden_for_field
from bwrun.vault.sync import sync_of
from bwrun.vault.vault import Requests, Vault

if TYPE_CHECKING:
    from bwrun.base.sensitive import Sensitive
    from bwrun.injection.requested import RequestedSecrets
    from bwrun.injection.ssh_keys import SshKey
    from bwrun.login.unlocking import UnlockedVault
    from bwrun.vault.items import Attachment

MAX_VARIABLE = 32 * os.sysconf("SC_PAGESIZE")  # bytes of NAME=VALUE with its NUL; MAX_ARG_STRLEN in execve(2)


class SecretFile(Struct):
    """A file to be written for the command; `variable` gets its path."""

    variable: str
    name: str
    content: bytes


class ResolvedSecrets(Struct):
    """The values from the vault, and the files to be written."""

    values: dict[str, bytes | None]  # by variable; None: unset, because its item or field is missing
    from_items: dict[str, Reference]  # the items of --item, by the variables of `values` that they set
    files: tuple[SecretFile, ...]
    overridden: dict[str, Reference]  # items of --item, by the variables that another option sets instead
    ssh_keys: tuple[SshKey, ...]

    @property
    def paths(self) -> list[str]:
        """Return the variables that get the path of a file."""
        return [file.variable for file in self.files]


def open_vault(unlocked: UnlockedVault, *, allow_protected: bool) -> Vault:
    """Return the vault of an unlocked account. Each attachment is downloaded once, even if two references name it."""
    bodies: dict[tuple[str, str], bytes] = {}

    def download(attachment: Attachment) -> bytes:
        key = (attachment.item_id, attachment.id)
        if key not in bodies:
            bodies[key] = unlocked.access.download_attachment(*key)
        return bodies[key]

    def fetch(identity: str) -> dict[str, object] | None:
        return fetch_item(unlocked.access, identity)

    requests = Requests(download, fetch if unlocked.is_whole else None)
    return Vault(sync_of(unlocked.sync), unlocked.keys, allow_protected=allow_protected, requests=requests)


def resolve_requested_secrets(
    requested: RequestedSecrets, vault: Vault | None, optional: Collection[str], assigned: Collection[str]
) -> ResolvedSecrets:
    """
    Return the values of all requested secrets, and the files to be written.

    `optional` are the variables of --optional; `assigned` are those of -e, which win over the custom fields of --item.
    `vault` is None if there are no references, but templates without any.

    Raises UnresolvedReferencesError: references cannot be resolved, or values cannot become variables.
    """
    failures: list[FailedReferenceError] = []
    overridden = dict.fromkeys([*assigned, *(template.variable for template in requested.templates)])
    if requested.ssh_keys:
        overridden[AGENT_VARIABLE] = None
    fields, from_items = _resolve_items(requested.items, vault, overridden, failures) if vault else ({}, {})
    # A custom field of --item wins over a reference in the environment.
    references = {name: one for name, one in (requested.variables | requested.files).items() if name not in fields}
    in_templates = {one.place: one.reference for template in requested.templates for one in template.placeholders}
    found: dict[str, Sensitive] = {}
    try:
        found = resolve(references | in_templates, vault, optional) if vault else {}
    except UnresolvedReferencesError as error:
        failures += error.failures
    ssh_keys = _resolve_ssh_keys(requested, vault, failures)
    values = {name: one.reveal() for name, one in found.items()}
    variables = fields | {name: values.get(name) for name in requested.variables if name in references}
    problems = {name: _problem(name, value) for name, value in variables.items() if value is not None}
    failures += [FailedReferenceError(name, problem) for name, problem in problems.items() if problem is not None]
    if failures:
        raise UnresolvedReferencesError(failures)
    missing: dict[str, bytes | None] = {
        name: None for name in requested.files if name in references and name not in values
    }
    files = [
        SecretFile(name, _file_name(name, number), values[name])
        for number, name in enumerate(requested.files)
        if name in references and name in values
    ]
    files += [SecretFile(one.variable, one.file_name, one.fill(values)) for one in requested.templates]
    unused = {name: reference for name, reference in overridden.items() if reference is not None}
    return ResolvedSecrets(variables | missing, from_items, tuple(files), unused, ssh_keys)


def _resolve_ssh_keys(
    requested: RequestedSecrets, vault: Vault | None, failures: list[FailedReferenceError]
) -> tuple[SshKey, ...]:
    if vault is None or not requested.ssh_keys:
        return ()
    from bwrun.injection.ssh_keys import resolve_ssh_keys  # noqa: PLC0415  (only for --ssh-key)

    return resolve_ssh_keys(requested.ssh_keys, vault, failures)


def _problem(name: str, value: bytes) -> SecretError | None:
    """Return the error that a variable cannot have this value; None if it can."""
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
    overridden: dict[str, Reference | None],
    failures: list[FailedReferenceError],
) -> tuple[dict[str, bytes | None], dict[str, Reference]]:
    """
    Return the values of all custom fields of `items`, and the item of each, by variable; None: the field is empty.

    The keys of `overridden` are variables that other options set; the item that has a field of that name is stored as
    the value there. Errors are added to `failures`.
    """
    values: dict[str, bytes | None] = {}
    owners: dict[str, Reference] = {}
    for reference in items:
        label = f"--item {reference.item}"
        try:
            found: Mapping[str, Sensitive | None] = vault.custom_fields(reference)
        except BwrunError as error:
            failures.append(FailedReferenceError(label, error))
            continue
        for name, value in found.items():
            if name in overridden:
                overridden[name] = reference
                continue
            why = why_forbidden_for_field(name)
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
            values[name], owners[name] = None if value is None else value.reveal(), reference
    return values, owners


def _file_name(variable: str, number: int) -> str:
    """Return a name for the file of a variable: the variable's own name if every file system takes it."""
    safe = variable.isascii() and variable.replace("_", "a").isalnum() and len(variable) <= 100
    return variable if safe else f".{number}"  # OUT of a template cannot begin with a dot


def set_variables(environment: dict[bytes, bytes], resolved: ResolvedSecrets, paths: Mapping[str, str]) -> None:
    """Set the variables of the secrets in `environment`; `paths` are those of the files, by variable."""
    values = resolved.values | {name: os.fsencode(path) for name, path in paths.items()}
    for name, value in values.items():
        environment.pop(os.fsencode(name), None)
        if value is not None:
            environment[os.fsencode(name)] = value
