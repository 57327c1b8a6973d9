"""
Whether a bwrun inside another one can use the session of that one.

A nested run needs its own session only for another account, another server, or
an option that the outer session lacks.  It does not remove a session that it
did not open.
"""

from __future__ import annotations

from bwrun.base.errors import CredentialError
from bwrun.base.structs import Struct
from bwrun.credentials.finding import find_client_id
from bwrun.session.outer import Mark, find_outer, limits_of
from bwrun.settings.command_line import Options
from bwrun.settings.config import Config, load_config
from bwrun.settings.profile_name import DEFAULT_PROFILE
from bwrun.settings.servers import SELF_HOSTED, Server
from bwrun.settings.sources import SESSION_VARIABLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class OuterSession(Struct):
    """The session of the outer bwrun: its variables, and its server as far as requests need it."""

    variables: dict[str, str]
    server: Server


def outer_session(config: Config) -> OuterSession | None:
    """
    Return the outer session if this run can use it, None if it needs its own session.

    Raises CredentialError: the client id is malformed.
    """
    environment = config.sources.environment
    mark = find_outer(environment)
    if mark is None or not _fits(mark, config):
        return None
    variables = {name: environment[name] for name in SESSION_VARIABLES}
    return OuterSession(variables, Server(mark.identity, mark.api, None, SELF_HOSTED))


def load_nested(options: Options, environment: Mapping[str, str]) -> Config:
    """
    Return the settings of a run that may be inside another one.

    Raises ConfigError, UsageError: a file cannot be read, or a setting is wrong; CredentialError: the client id is
    malformed.
    """
    config = load_config(options, environment, nested=find_outer(environment) is not None)
    return with_outer_server(config)


def with_outer_server(config: Config) -> Config:
    """
    Return the settings of a nested run with the server of the outer one, if none is set and the account is the same.

    The outer bwrun has taken BWRUN_SERVER away. Without this, a login of this run would send the API key to
    bitwarden.com.

    Raises CredentialError: the client id is malformed.
    """
    mark = find_outer(config.sources.environment)
    if mark is None or config.server_is_set or not _is_same_account(mark, config):
        return config
    if (config.server.identity, config.server.api) == (mark.identity, mark.api):
        return config
    gateway = config.gateway
    if gateway is not None:
        gateway = gateway.for_servers(mark.identity, mark.api, config.key_connector_url)
    return config.replaced(server=Server(mark.identity, mark.api, None, SELF_HOSTED), gateway=gateway)


def explain_missing(error: CredentialError, config: Config, *, has_references: bool) -> CredentialError:
    """
    Return the error for credentials that are missing: inside another bwrun, that one has taken them away.

    `has_references`: this run resolves references, which the outer run could do as well.
    """
    if error.code != "credentials.missing" or find_outer(config.sources.environment) is None:
        return error
    own = "give this run credentials of its own, for example with `--env-file FILE`"
    move = "resolve the reference in the outer run: `bwrun -e NAME=bw://ITEM/FIELD -- COMMAND`"
    return CredentialError(
        "missing", error.message,
        *error.hints[:1],  # where bwrun looked
        "this run is inside another bwrun, which does not pass its credentials on",
        f"{move}; or {own}" if has_references else own,
    )  # fmt: skip


def _fits(mark: Mark, config: Config) -> bool:
    if not _is_same_account(mark, config):
        return False
    if config.server_is_set and (config.server.identity, config.server.api) != (mark.identity, mark.api):
        return False
    if config.only and config.wants_session and mark.limits != limits_of(config.only):
        return False  # the outer session may hold more
    return (mark.has_api_key or not config.session_api_key) and (mark.renews or not config.renew)


def _is_same_account(mark: Mark, config: Config) -> bool:
    client_id = find_client_id(config.sources) or _kept_client_id(config)
    return client_id is None or client_id.lower() == mark.client_id.lower()


def _kept_client_id(config: Config) -> str | None:
    """
    Return the client id that `bwrun --login` keeps for the profile that was named; None for none.

    Raises CredentialError: the file that keeps it cannot be used.
    """
    if config.profile == DEFAULT_PROFILE:
        return None
    from bwrun.credentials.kept_file import read_kept_file  # noqa: PLC0415  (few runs name a profile)

    entry = read_kept_file(config.sources.environment).entries.get(config.profile)
    return None if entry is None else entry.client_id
