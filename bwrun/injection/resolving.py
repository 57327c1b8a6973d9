"""Resolving the secrets that a run asks for: either all of them get their values, or the run fails."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from bwrun.base.console import WarningMessage
from bwrun.base.errors import (
    AmbiguousReferenceError,
    BwrunError,
    FailedReferenceError,
    InvalidReferenceError,
    SecretError,
    UnresolvedReferencesError,
)
from bwrun.base.structs import Struct
from bwrun.injection.lookup import Lookup
from bwrun.injection.newlines import find_bad_newlines
from bwrun.references.grammar import Reference
from bwrun.settings.sources import AGENT_VARIABLE
from bwrun.settings.variable_names import why_forbidden_for_field
from bwrun.vault.sync import sync_of
from bwrun.vault.vault import Requests, Vault

if TYPE_CHECKING:
    from bwrun.base.console import Console
    from bwrun.base.sensitive import Sensitive
    from bwrun.injection.requested import RequestedSecrets
    from bwrun.injection.ssh_keys import SshKey
    from bwrun.injection.templates import Template
    from bwrun.login.unlocked import UnlockedVault
    from bwrun.settings.config import Config
    from bwrun.vault.items import Attachment

MAX_VARIABLE = 32 * os.sysconf("SC_PAGESIZE")  # bytes of NAME=VALUE with its NUL; MAX_ARG_STRLEN in execve(2)
FILE_HINT = "put the value into a file: `-e {}=@bw://…`"
TEMPLATE_HINT = "put the text with its references into a file, and fill that in: `--template FILE:{}`"


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
    warnings: tuple[WarningMessage, ...] = ()
    revealed: tuple[tuple[str, bytes], ...] = ()  # each value from the vault, with the variable or place it is for

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
        from bwrun.login.fetching import fetch_item  # noqa: PLC0415  (only for leased items)

        return fetch_item(unlocked.access, identity)

    requests = Requests(download, fetch if unlocked.is_whole else None)
    return Vault(sync_of(unlocked.sync), unlocked.keys, allow_protected=allow_protected, requests=requests)


def resolve_for(config: Config, requested: RequestedSecrets, vault: Vault | None, console: Console) -> ResolvedSecrets:
    """
    Return the values of all requested secrets by the settings of a run, and print what the user has to know of them.

    Raises UnresolvedReferencesError.
    """
    resolved = resolve_requested_secrets(requested, vault, config.optional, config.assignments.keys())
    console.print_warnings(resolved.warnings)
    console.step(f"resolved {len(requested.references)} reference(s)")
    for name, item in resolved.from_items.items():
        if resolved.values[name] is None:
            console.step(f"the custom field `{name}` of item `{item.item}` is empty: the variable is unset")
    return resolved


def resolve_requested_secrets(
    requested: RequestedSecrets, vault: Vault | None, optional: Collection[str], assigned: Collection[str]
) -> ResolvedSecrets:
    """
    Return the values of all requested secrets, and the files to be written.

    `optional` are the variables of --optional; `assigned` are those of -e, which win over the custom fields of --item.
    `vault` is None if there are no references, but templates without any.

    Raises UnresolvedReferencesError: references cannot be resolved, or values cannot become variables.
    """
    if vault is None:
        return ResolvedSecrets({}, {}, tuple(_template_file(one, {}) for one in requested.templates), {}, ())
    lookup = Lookup(vault, optional)
    overridden = dict.fromkeys([*assigned, *(template.variable for template in requested.templates)])
    if requested.ssh_keys:
        overridden[AGENT_VARIABLE] = None
    fields, from_items = _resolve_items(requested.items, vault, overridden, lookup.failures)
    # A custom field of --item wins over a reference in the environment.
    plain = {name: lookup.value(name, one) for name, one in requested.variables.items() if name not in fields}
    contents = {name: lookup.value(name, one) for name, one in requested.files.items() if name not in fields}
    composed = {name: lookup.composed(name, text) for name, text in requested.composed.items() if name not in fields}
    placeholders = [one for template in requested.templates for one in template.placeholders]
    in_templates = {one.place: lookup.value(one.place, one.reference) for one in placeholders}
    ssh_keys = _resolve_ssh_keys(requested.ssh_keys, vault, lookup.failures)
    problems = [_problem(name, value, FILE_HINT) for name, value in (fields | plain).items()]
    problems += [_problem(name, value, TEMPLATE_HINT) for name, value in composed.items()]
    failures = lookup.failures + [problem for problem in problems if problem is not None]
    if failures:
        raise UnresolvedReferencesError(failures)
    files = [
        SecretFile(name, _file_name(name, number), content)
        for number, (name, content) in enumerate(contents.items())
        if content is not None
    ]
    found = {place: value for place, value in in_templates.items() if value is not None}
    missing: dict[str, bytes | None] = {name: None for name, content in contents.items() if content is None}
    unused = {name: reference for name, reference in overridden.items() if reference is not None}
    doubts = (find_bad_newlines(one.variable, requested.files[one.variable], one.content) for one in files)
    warnings = tuple(warning for warning in doubts if warning is not None)
    files += [_template_file(one, found) for one in requested.templates]
    revealed = [*lookup.revealed, *((name, value) for name, value in fields.items() if value is not None)]
    revealed += [(key.label, key.private_key.reveal()) for key in ssh_keys]
    values = fields | plain | composed | missing
    return ResolvedSecrets(values, from_items, tuple(files), unused, ssh_keys, warnings, tuple(revealed))


def _template_file(template: Template, values: Mapping[str, bytes]) -> SecretFile:
    return SecretFile(template.variable, template.file_name, template.fill(values))


def _resolve_ssh_keys(
    references: Mapping[str, Reference], vault: Vault, failures: list[FailedReferenceError]
) -> tuple[SshKey, ...]:
    if not references:
        return ()
    from bwrun.injection.ssh_keys import resolve_ssh_keys  # noqa: PLC0415  (only for --ssh-key)

    return resolve_ssh_keys(references, vault, failures)


def _problem(name: str, value: bytes | None, hint: str) -> FailedReferenceError | None:
    """Return the error that a variable cannot have this value; None if it can. `hint` has a gap for the name."""
    problem = None
    if value is not None and b"\0" in value:
        problem = SecretError("nul", "the value contains a NUL byte, which a variable cannot", hint.format(name))
    elif value is not None and len(os.fsencode(name)) + len(value) + 2 > MAX_VARIABLE:
        problem = SecretError(
            "too-large", f"the value has {len(value)} bytes, more than the kernel allows in a variable",
            hint.format(name),
        )  # fmt: skip
    return None if problem is None else FailedReferenceError(name, problem)


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
        found: Mapping[str, Sensitive | None] = {}
        errors: list[BwrunError] = []
        try:
            found = vault.custom_fields(reference, errors)
        except BwrunError as error:
            errors.append(error)
        failures += [FailedReferenceError(label, error) for error in errors]
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
