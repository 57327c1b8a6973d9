"""The report of `--check`: the variables that a run would set and where they come from, without their values."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from bwrun.base.console import printable
from bwrun.base.output import write_out
from bwrun.command.environment import command_environment
from bwrun.injection.requested import RequestedSecrets
from bwrun.injection.resolving import ResolvedSecrets
from bwrun.references.grammar import Reference
from bwrun.reports.tables import as_json, table
from bwrun.settings.config import Config
from bwrun.settings.sources import AGENT_VARIABLE, ENVIRONMENT, SESSION_VARIABLES
from bwrun.vault.vault import Vault

HEAD = ("VARIABLE", "KIND", "ITEM", "FIELD", "SET BY", "OVERRIDES")
OWN, OUTER, NONE = "own", "outer", "none"  # the session that the command would get
CREDENTIALS = {
    "client_id": "client_id", "client_secret": "client_secret", "master_password": "master password",
    "user_key": "user key",
}  # fmt: skip
Facts = dict[str, str | None]  # by their names in the JSON output; None: not known
SESSIONS = {OWN: "a new one", OUTER: "that of the outer bwrun", NONE: "none"}


@dataclass(frozen=True)
class Variable:
    """A variable that a run would set."""

    name: str
    kind: str  # value, composed, file, template, agent, plain, session; missing: in --optional, and not found
    set_by: str  # the option, file or environment that sets it
    instead_of: tuple[str, ...]  # those that would set it otherwise
    reference: str | None = None  # these are None if the value is not from the vault
    item: str | None = None  # the name of the item
    item_id: str | None = None
    field: str | None = None
    newline: str | None = None  # lf: the reference asks for these line ends

    @property
    def field_and_newline(self) -> str:
        """Return the field as the table shows it."""
        return (self.field or "") + (f"?newline={self.newline}" if self.newline else "")


@dataclass(frozen=True)
class Report:
    """What a run would do: the command, the account, the session, and the changes to the command's environment."""

    command: str | None  # the path of its file; None: no command was given
    account: Facts | None  # its email, id and server; None: the run would not log in
    credentials: Facts | None  # where the API key, the master password and the user key came from
    session: str  # OWN, OUTER or NONE
    variables: tuple[Variable, ...]
    taken_away: tuple[str, ...]  # the caller's variables that the command would not get
    inherited: tuple[str, ...]  # the caller's variables that it would get unchanged
    vault: str | None = None  # how current the vault is, with --cache: `cached 3 min ago, current`, or `fetched`
    session_items: tuple[dict[str, str], ...] | None = None  # id and name of each, with --only; None: all items
    masked: tuple[str, ...] = ()  # stdout, stderr: what would be masked
    not_masked: tuple[
        str, ...
    ] = ()  # variables, and places in templates, whose values are too short or trivial for that

    def to_text(self) -> str:
        """Return the report as text for people."""
        rows = [
            (one.name, one.kind, one.item or "", one.field_and_newline, one.set_by, ", ".join(one.instead_of))
            for one in self.variables
        ]
        head = {} if self.command is None else {"command": self.command}
        if self.account is not None:
            who = self.account["email"] or self.account["id"]
            head["account"] = " at ".join(filter(None, (who, self.account["server"])))
        if self.credentials is not None:
            places = [(CREDENTIALS[name], place) for name, place in self.credentials.items() if place]
            head["credentials"] = ", ".join(f"{name} from {place}" for name, place in places)
        if self.vault is not None:
            head["vault"] = self.vault
        head["session"] = f"{SESSIONS[self.session]}{self._limits()}"
        head["removed"] = ", ".join(self.taken_away) or "nothing"
        head["inherited"] = f"{len(self.inherited)} variables, unchanged"
        if self.masked:
            head["masked"] = " and ".join(self.masked)
            head["not masked"] = ", ".join(self.not_masked) or "nothing"
        lines = [f"{name:13}{printable(text)}\n" for name, text in head.items()]
        return "".join([*lines, "\n", table(HEAD, rows)] if rows else lines)

    def _limits(self) -> str:
        """Return in words which items the session would hold, for --only."""
        if self.session_items is None:
            return ""
        names = printable(", ".join(one["name"] for one in self.session_items))
        return f", limited to {len(self.session_items)} item(s): {names}"


def _sorted_items(chosen: Mapping[str, str]) -> tuple[dict[str, str], ...]:
    return tuple({"id": identity, "name": name} for identity, name in sorted(chosen.items(), key=lambda one: one[1]))


def print_report(report: Report, config: Config) -> int:
    """Print the report; return bwrun's exit status."""
    return write_out(as_json(asdict(report)) if config.json else report.to_text())


def make_report(
    config: Config,
    found: tuple[RequestedSecrets, ResolvedSecrets, Vault | None] | None,
    command: bytes | None,
    session: tuple[str, Mapping[str, str] | None],
    login: tuple[Facts, Facts, str | None] | None,
) -> Report:
    """
    Return the report for a run.

    `found` has the requested secrets, their values and the vault, if there are any. `login` has the account, the places
    of the credentials, and with --cache how current the vault is, if there was a login. `session` is its kind, and with
    --only the names of its items by their ids.
    """
    kind, chosen = session
    rows = [] if found is None else list(_from_vault(config, *found))
    variables = {one.name for one in rows}
    outside = command_environment(config.sources, config.passed, config.assignments, {})
    inherited = []
    for name in map(os.fsdecode, outside):
        places = _setters(config, name, None if found is None else found[1])
        if name in variables or name in _session_variables(config, kind) or not places:
            continue
        if places == [ENVIRONMENT]:
            inherited.append(name)
        else:
            rows.append(Variable(name, "plain", places[0], tuple(places[1:])))
    rows += [
        Variable(name, "session", "bwrun", tuple(_setters(config, name))) for name in _session_variables(config, kind)
    ]
    set_anew = {*map(os.fsdecode, outside), *variables, *_session_variables(config, kind)}
    gone = sorted(name for name in config.sources.environment if name and name not in set_anew)
    return Report(
        command=None if command is None else os.fsdecode(command),
        account=login and login[0],
        credentials=login and login[1],
        vault=login and login[2],
        session=kind,
        variables=tuple(sorted(rows, key=lambda one: one.name)),
        taken_away=tuple(gone),
        inherited=tuple(sorted(inherited)),
        session_items=None if chosen is None else _sorted_items(chosen),
        masked=tuple({1: "stdout", 2: "stderr"}[number] for number in sorted(config.masked)),
        not_masked=_not_masked(config, None if found is None else found[1]),
    )


def _not_masked(config: Config, resolved: ResolvedSecrets | None) -> tuple[str, ...]:
    """Return the variables, and places in templates, whose values --mask would leave as they are."""
    if not config.masked or resolved is None:
        return ()
    from bwrun.masking.forms import is_masked  # noqa: PLC0415  (only for --mask)

    return tuple(dict.fromkeys(name for name, value in resolved.revealed if not is_masked(value)))


def _session_variables(config: Config, session: str) -> tuple[str, ...]:
    if session == NONE:
        return ()
    return (*SESSION_VARIABLES, "NODE_EXTRA_CA_CERTS") if session == OWN and config.ca_files else SESSION_VARIABLES


def _from_vault(
    config: Config, requested: RequestedSecrets, resolved: ResolvedSecrets, vault: Vault | None
) -> Iterator[Variable]:
    for name, reference in resolved.from_items.items():
        kind = "missing" if resolved.values[name] is None else "value"
        found = Variable(name, kind, f"--item {reference.item}", tuple(_setters(config, name)))
        yield replace(_with_item(found, reference, vault), field=name)
    of_variables = [
        *(("value", name, reference) for name, reference in requested.variables.items()),
        *(("composed", name, one) for name, text in requested.composed.items() for one in text.references),
        *(("file", name, reference) for name, reference in requested.files.items()),
    ]
    for kind, name, reference in of_variables:
        if name in resolved.from_items:
            continue
        set_by, *others = _setters(config, name, resolved)
        missing = name in resolved.values and resolved.values[name] is None
        found = Variable(name, "missing" if missing else kind, set_by, tuple(others), str(reference))
        yield found if missing else _with_item(found, reference, vault)
    for template in requested.templates:
        others = _setters(config, template.variable, resolved)
        found = Variable(template.variable, "template", f"`{template.path}`", tuple(others))
        if not template.placeholders:
            yield found
        for placeholder in template.placeholders:
            yield _with_item(replace(found, set_by=placeholder.place), placeholder.reference, vault)
    for reference in requested.ssh_keys.values():
        found = Variable(AGENT_VARIABLE, "agent", "--ssh-key", tuple(_setters(config, AGENT_VARIABLE, resolved)))
        yield _with_item(found, reference, vault)


def _with_item(variable: Variable, reference: Reference, vault: Vault | None) -> Variable:
    if vault is None:
        return variable  # there are no references then
    item_id, item, field = vault.identify(reference)
    return replace(
        variable, reference=str(reference), item=item, item_id=item_id, field=field, newline=reference.newline
    )


def _setters(config: Config, name: str, resolved: ResolvedSecrets | None = None) -> list[str]:
    """Return what sets a variable, the winner first; without --template, and without an --item that wins."""
    places = ["-e"] if name in config.assignments else []
    if resolved is not None and name in resolved.overridden:
        places.append(f"--item {resolved.overridden[name].item}")
    taken = config.sources.is_withheld(name) and name not in config.passed
    if name in config.sources.inherited and not taken:
        places.append(ENVIRONMENT)
    in_file = os.fsencode(name).decode("utf-8", "surrogateescape")  # names in a file are UTF-8 in any locale
    files = [file for file in reversed(config.sources.files) if in_file in file.values and not taken]
    return places + [file.place(in_file) for file in files]
