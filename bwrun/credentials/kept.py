"""
When a run uses what `bwrun --login` keeps, and what it takes from there.

What is kept belongs to one account on one server. So it is used only if nothing that is set elsewhere may belong to
another account or lead to another server:

- A server that is set elsewhere must be the kept one. If none is set, the kept one counts, but only together with the
  kept client secret.
- A client id that is set elsewhere must be the kept one.
- A client secret that is set elsewhere without its client id may be another account's, unless none was kept.
"""

from __future__ import annotations

from bwrun.base.errors import ConfigError, CredentialError
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.credentials.api_key import checked_client_id
from bwrun.credentials.found import Secret
from bwrun.credentials.kept_entry import KeptEntry, is_same_server, read_entry
from bwrun.credentials.kept_file import read_kept_file
from bwrun.credentials.places import ID_VARIABLES, find_setting
from bwrun.settings.profile_name import DEFAULT_PROFILE
from bwrun.settings.servers import Server, find_server
from bwrun.settings.sources import SERVER_SETTINGS, USER_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bwrun.base.console import WarningMessage
    from bwrun.base.deadline import Deadline
    from bwrun.settings.config import Config

AGAIN = "it was kept by `bwrun --login`: run that again to replace it"
HOW = "run `bwrun --login` for this account, or choose its profile: `--profile NAME`"


class Kept(Struct):
    """What is kept for the profile of a run, and why the run does not use it, if it does not."""

    entry: KeptEntry
    profile: str
    path: str  # of the file
    warnings: tuple[WarningMessage, ...]
    unused: str = ""  # why nothing of it is used, for messages; empty: what the run lacks is taken from it

    def fill(self, found: Mapping[str, Secret], deadline: Deadline) -> tuple[dict[str, Secret], CredentialError | None]:
        """
        Return what is kept of the credentials that are not in `found`, and the error of a keyring that fails.

        Raises CredentialError: the client id in `found` is another account's, or the keyring holds something else.
        """
        if self.unused:
            return {}, None
        given, entry = found.get("BW_CLIENTID"), self.entry
        if given is not None and not _is_same_id(entry, checked_client_id(given)):
            raise CredentialError("other-account", _other_id(given.place), HOW)
        profile = "" if self.profile == DEFAULT_PROFILE else f" (profile `{self.profile}`)"
        in_file = f"`{self.path}`{profile}"
        more = {} if given is not None else {"BW_CLIENTID": Secret(Sensitive(entry.client_id.encode()), in_file)}
        has_opener = "BW_PASSWORD" in found or USER_KEY in found
        wanted = [name for name in entry.names if name not in found and not (name == "BW_PASSWORD" and has_opener)]
        place, secrets = in_file, entry.secrets
        if wanted and entry.in_keyring:
            place = f"the keyring{profile}"
            try:
                secrets = self._read_keyring(deadline)
            except CredentialError as error:
                if error.code != "credentials.keyring":
                    raise
                return more, error
        for number, name in enumerate(name for name in wanted if name in secrets):
            more[name] = Secret(secrets[name], place, (AGAIN,), () if number else self.warnings)
        return more, None

    def _read_keyring(self, deadline: Deadline) -> dict[str, Sensitive]:
        """Return the secrets in the keyring, which must be of the same account and server as the entry."""
        from bwrun.credentials.system_keyring import open_keyring  # noqa: PLC0415  (it imports `keyring`)

        text = open_keyring(deadline).read(self.profile)
        try:
            held = None if text is None else read_entry(text)
        except ValueError:
            held = None
        if held is None or not (
            _is_same_id(self.entry, held.client_id) and is_same_server(held.server, self.entry.server)
        ):
            what = "holds nothing" if text is None else "holds something else"
            raise CredentialError(
                "kept-file", f"the keyring {what} for what `{self.path}` names", "run `bwrun --login` again"
            )
        return held.secrets


def find_kept(config: Config, missing: tuple[str, ...]) -> tuple[Config, Kept | None]:
    """
    Return the settings of a run with the server to use, and what is kept for its profile.

    `missing` are the credentials that are set nowhere, of which there must be one. The keyring is not asked yet.

    Raises CredentialError: the file cannot be used.
    """
    file = read_kept_file(config.sources.environment)
    entry = file.entries.get(config.profile)
    if entry is None:
        return config, None
    uses_secret = "BW_CLIENTSECRET" in missing and "BW_CLIENTSECRET" in entry.names
    unused = _why_other_account(config, entry, missing)
    if not unused and config.server_is_set and not is_same_server(config.server, entry.server):
        unused = f"they are for {entry.server.name}, and the server of this run is {config.server.name}"
    elif not unused and not config.server_is_set:
        if config.untrusted_server is not None and not is_same_server(_server_in_file(config), entry.server):
            unused = f"they are for {entry.server.name}, and not for the server that {config.untrusted_server} names"
        elif uses_secret:
            config = with_server(config, entry.server)
        elif not is_same_server(config.server, entry.server):
            unused = f"they are for {entry.server.name}, and no server is set for this client_secret"
    if unused:
        unused = f"the credentials that `bwrun --login` keeps are not used: {unused}"
    return config, Kept(entry, config.profile, file.path, file.warnings, unused)


def with_server(config: Config, server: Server) -> Config:
    """Return the settings of a run with another server."""
    gateway = config.gateway
    if gateway is not None:
        urls = tuple(filter(None, (server.identity, server.api, config.key_connector_url)))
        gateway = gateway.replaced(urls=urls)
    return config.replaced(server=server, server_is_set=True, untrusted_server=None, gateway=gateway)


def _why_other_account(config: Config, entry: KeptEntry, missing: tuple[str, ...]) -> str:
    """Return why what is set elsewhere may belong to another account; empty if nothing says so."""
    given = find_setting(ID_VARIABLES, config.sources)
    is_value = given is not None and given.name == "BW_CLIENTID"  # what is in a file, `fill()` compares
    if given is not None and is_value and not _is_same_id(entry, given.value.strip()):
        return _other_id(given.place)
    if "BW_CLIENTID" in missing and "BW_CLIENTSECRET" not in missing and "BW_CLIENTSECRET" in entry.names:
        return "a client_secret is set elsewhere without its client_id, and may be another account's"
    return ""


def _is_same_id(entry: KeptEntry, client_id: str) -> bool:
    return entry.client_id.lower() == client_id.lower()


def _other_id(place: str) -> str:
    return f"the client_id from {place} is not that of the account that `bwrun --login` keeps"


def _server_in_file(config: Config) -> Server:
    """Return the server that the found `.env` names without being trusted with it; bitwarden.com for no address."""
    texts = [
        next((file.values[name] for file in config.sources.files if file.values.get(name)), None)
        for name in SERVER_SETTINGS[:3]
    ]
    try:
        return find_server(*texts)
    except ConfigError:
        return find_server(None, None, None)
