"""
What `bwrun --login` keeps for one profile, and its form in the file and in the keyring.

The file has an entry for each profile. If the secrets are in the keyring, the entry says so and has none, so that a run
asks the keyring only when it holds something that the run lacks. The keyring holds the secrets together with the server
and the client id that they belong to.
"""

from __future__ import annotations

import json

from bwrun.base.errors import ConfigError
from bwrun.base.jsontext import read_json
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.settings.presented import is_uuid
from bwrun.settings.servers import Server, find_server

VERSION = 1
SECRETS = {"client_secret": "BW_CLIENTSECRET", "master_password": "BW_PASSWORD"}  # by their names in the form


class KeptEntry(Struct):
    """What is kept of one account. The client id is always there: it names the account of the rest."""

    server: Server
    account: str  # the e-mail address; empty if the server did not say it
    client_id: str
    secrets: dict[str, Sensitive]  # by their variables; empty if they are in the keyring
    in_keyring: tuple[str, ...] = ()  # the variables of the secrets that the keyring holds

    @property
    def names(self) -> tuple[str, ...]:
        """Return the variables of the secrets that are kept, wherever they are."""
        return self.in_keyring or tuple(self.secrets)

    def without_secrets(self) -> KeptEntry:
        """Return the entry for the file when the secrets are in the keyring."""
        return self.replaced(secrets={}, in_keyring=tuple(self.secrets))


def is_same_server(one: Server, other: Server) -> bool:
    """Return whether two servers get the same requests."""
    return (one.identity, one.api) == (other.identity, other.api)


def write_entries(entries: dict[str, KeptEntry]) -> bytes:
    """Return the content of the file for the entries of all profiles."""
    profiles = {name: _form_of(entry) for name, entry in entries.items()}
    return json.dumps({"version": VERSION, "profiles": profiles}, indent=2).encode("ascii") + b"\n"


def read_entries(data: bytes) -> dict[str, KeptEntry]:
    """Return the entries of all profiles in the content of the file. Raises ValueError: it has another form."""
    found = _read(data)
    profiles = found.get("profiles")
    if found.get("version") != VERSION or not isinstance(profiles, dict):
        raise ValueError("version")
    return {name: _entry_of(form) for name, form in profiles.items()}


def write_entry(entry: KeptEntry) -> str:
    """Return what the keyring holds for an entry with its secrets."""
    return json.dumps(_form_of(entry))


def read_entry(text: str) -> KeptEntry:
    """Return the entry that the keyring holds. Raises ValueError: it has another form."""
    return _entry_of(_read(text.encode("utf-8", "surrogatepass")))


def _read(data: bytes) -> dict[str, object]:
    try:
        found = read_json(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004  (what is wrong is a value, not its type)
    return found


def _form_of(entry: KeptEntry) -> dict[str, object]:
    """Return an entry as JSON has it. Bytes that are not UTF-8 become halves of surrogate pairs, which JSON escapes."""
    server = entry.server
    form: dict[str, object] = {
        "server": {"base": server.base, "identity": server.identity, "api": server.api},
        "account": entry.account,
        "client_id": entry.client_id,
    }
    if entry.in_keyring:
        form["in_keyring"] = [name for name, variable in SECRETS.items() if variable in entry.in_keyring]
    for name, variable in SECRETS.items():
        if variable in entry.secrets:
            form[name] = entry.secrets[variable].reveal().decode("utf-8", "surrogateescape")
    return form


def _entry_of(form: object) -> KeptEntry:
    if not isinstance(form, dict):
        raise ValueError("entry")  # noqa: TRY004
    client_id, account, in_keyring = form.get("client_id"), form.get("account"), form.get("in_keyring", [])
    if not (isinstance(client_id, str) and is_uuid(client_id.removeprefix("user."))) or not isinstance(account, str):
        raise ValueError("account")
    if not isinstance(in_keyring, list) or any(not isinstance(name, str) or name not in SECRETS for name in in_keyring):
        raise ValueError("in_keyring")
    secrets = {}
    for name, variable in SECRETS.items():
        value = form.get(name)
        if value is not None and not (isinstance(value, str) and value):
            raise ValueError(name)
        if value:
            secrets[variable] = Sensitive(value.encode("utf-8", "surrogateescape"))
    return KeptEntry(
        _server_of(form.get("server")), account, client_id, secrets, tuple(SECRETS[name] for name in in_keyring)
    )


def _server_of(form: object) -> Server:
    if not isinstance(form, dict):
        raise ValueError("server")  # noqa: TRY004
    base, identity, api = (form.get(name) for name in ("base", "identity", "api"))
    if not (base is None or isinstance(base, str)) or not isinstance(identity, str) or not isinstance(api, str):
        raise ValueError("server")
    try:
        server = find_server(base, None, None)
        if (server.identity, server.api) != (identity, api):
            server = find_server(base, identity, api)
    except ConfigError:
        raise ValueError("server") from None
    return server
