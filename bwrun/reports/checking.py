"""What `--check` prints: each variable that a run would set, where it comes from, and no value."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from bwrun.base.console import printable
from bwrun.command.environment import command_environment
from bwrun.injection.requested import Wanted
from bwrun.injection.resolving import Resolved
from bwrun.references.grammar import Reference
from bwrun.reports.tables import as_json, table, write_out
from bwrun.settings.config import Config
from bwrun.settings.sources import AGENT_VARIABLE, ENVIRONMENT, SESSION_VARIABLES, is_own
from bwrun.vault.vault import Vault

HEAD = ("VARIABLE", "KIND", "ITEM", "FIELD", "SET BY", "OVERRIDES")
OWN, OUTER, NONE = "own", "outer", "none"  # where the command's session comes from
SESSIONS = {OWN: "a new one", OUTER: "that of the outer bwrun", NONE: "none"}


@dataclass(frozen=True)
class Variable:
    """A variable that a run sets: who wins, and over whom; of a reference, what it found."""

    name: str
    kind: str  # value, file, template, agent, plain, session; missing: optional, and left out
    set_by: str
    instead_of: tuple[str, ...]
    reference: str | None = None
    item: str | None = None  # its name
    item_id: str | None = None
    field: str | None = None


@dataclass(frozen=True)
class Report:
    """What a run would do to the command's environment."""

    command: str | None  # its path
    session: str
    variables: tuple[Variable, ...]
    taken_away: tuple[str, ...]
    inherited: tuple[str, ...]

    def to_text(self) -> str:
        """Return it for people."""
        rows = [
            (one.name, one.kind, one.item or "", one.field or "", one.set_by, ", ".join(one.instead_of))
            for one in self.variables
        ]
        lines = [f"command     {printable(self.command)}\n"] if self.command is not None else []
        lines += [f"session     {SESSIONS[self.session]}\n"]
        lines += [f"removed     {printable(', '.join(self.taken_away)) or 'nothing'}\n"]
        lines += [f"inherited   {len(self.inherited)} variables, unchanged\n"]
        return "".join([*lines, "\n", table(HEAD, rows)] if rows else lines)


def print_report(report: Report, config: Config) -> int:
    """Print the report; return the status to end with."""
    return write_out(as_json(asdict(report)) if config.json else report.to_text())


def make_report(
    config: Config, found: tuple[Wanted, Resolved, Vault | None] | None, command: bytes | None, session: str
) -> Report:
    """Return what a run of `config` would do; `found` is what it gets of the vault."""
    rows = [] if found is None else list(_from_vault(config, *found))
    variables = {one.name for one in rows}
    outside = command_environment(config.sources, config.passed, config.assignments, {})
    inherited = []
    for name in map(os.fsdecode, outside):
        places = _places(config, name, None if found is None else found[1])
        if name in variables or name in _session_variables(config, session) or not places:
            continue
        if places == [ENVIRONMENT]:
            inherited.append(name)
        else:
            rows.append(Variable(name, "plain", places[0], tuple(places[1:])))
    rows += [
        Variable(name, "session", "bwrun", tuple(_places(config, name))) for name in _session_variables(config, session)
    ]
    environment = config.sources.environment
    gone = sorted(name for name in environment if is_own(name) and name not in config.passed)
    return Report(
        command=None if command is None else os.fsdecode(command),
        session=session,
        variables=tuple(sorted(rows, key=lambda one: one.name)),
        taken_away=tuple(gone),
        inherited=tuple(sorted(inherited)),
    )


def _session_variables(config: Config, session: str) -> tuple[str, ...]:
    if session == NONE:
        return ()
    return (*SESSION_VARIABLES, "NODE_EXTRA_CA_CERTS") if session == OWN and config.ca_files else SESSION_VARIABLES


def _from_vault(config: Config, wanted: Wanted, resolved: Resolved, vault: Vault | None) -> Iterator[Variable]:
    for name, reference in resolved.from_items.items():
        found = Variable(name, "value", f"--item {reference.item}", tuple(_places(config, name)))
        yield replace(_with_item(found, reference, vault), field=name)
    for kind, references in (("value", wanted.variables), ("file", wanted.files)):
        for name, reference in references.items():
            if name in resolved.from_items:
                continue
            set_by, *others = _places(config, name, resolved)
            missing = name in resolved.values and resolved.values[name] is None
            found = Variable(name, "missing" if missing else kind, set_by, tuple(others), str(reference))
            yield found if missing else _with_item(found, reference, vault)
    for template in wanted.templates:
        others = _places(config, template.variable, resolved)
        found = Variable(template.variable, "template", f"`{template.path}`", tuple(others))
        if not template.spots:
            yield found
        for spot in template.spots:
            yield _with_item(replace(found, set_by=spot.place), spot.reference, vault)
    for reference in wanted.ssh_keys.values():
        found = Variable(AGENT_VARIABLE, "agent", "--ssh-key", tuple(_places(config, AGENT_VARIABLE, resolved)))
        yield _with_item(found, reference, vault)


def _with_item(variable: Variable, reference: Reference, vault: Vault | None) -> Variable:
    if vault is None:
        return variable  # (nothing is referred to then)
    item_id, item, field = vault.identify(reference)
    return replace(variable, reference=str(reference), item=item, item_id=item_id, field=field)


def _places(config: Config, name: str, resolved: Resolved | None = None) -> list[str]:
    """Return who sets a variable apart from --template and an --item that wins, the winner first."""
    places = ["-e"] if name in config.assignments else []
    if resolved is not None and name in resolved.overruled:
        places.append(f"--item {resolved.overruled[name].item}")
    taken = is_own(name) and name not in config.passed
    if name in config.sources.environment and not taken:
        places.append(ENVIRONMENT)
    in_file = os.fsencode(name).decode("utf-8", "surrogateescape")  # a file's names are UTF-8 whatever the locale
    files = [file for file in reversed(config.sources.files) if in_file in file.values and not taken]
    return places + [file.place(in_file) for file in files]
