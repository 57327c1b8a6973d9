"""`bwrun --login`: ask for the credentials, try them with a real login, and keep them for later runs."""

from __future__ import annotations

from bwrun.base.console import Console, printable
from bwrun.base.deadline import Deadline
from bwrun.base.errors import STATUS_FAILED
from bwrun.base.supervisor_link import SupervisorLink
from bwrun.base.timings import Timings
from bwrun.credentials.api_key import checked_client_id
from bwrun.credentials.confirming import check_terminal, open_terminal
from bwrun.credentials.finding import credentials_of, find_client_id, find_credentials
from bwrun.credentials.found import PROMPT
from bwrun.credentials.kept import with_server
from bwrun.credentials.kept_entry import KeptEntry, is_same_server
from bwrun.credentials.login_dialog import Answers, Keeper, ask_account, check_complete
from bwrun.crypto.parameters import KeyConnectorData
from bwrun.login.account import account_of
from bwrun.login.early_connection import start_connecting
from bwrun.login.steps import UnlockingSteps
from bwrun.login.token import Login
from bwrun.login.unlocking import try_unlocking
from bwrun.settings.config import Config
from bwrun.settings.option_names import LOGIN
from bwrun.settings.servers import Server
from bwrun.settings.sources import CREDENTIALS, SettingValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.credentials.found import Credentials


def log_in_and_keep(config: Config, supervisor: SupervisorLink, console: Console, timings: Timings) -> int:
    """
    Ask, log in, unlock the vault, and keep what was typed; return bwrun's exit status.

    What is left out is looked for elsewhere, and is not kept. Without a master password or a user key anywhere, the
    login alone is tried. If anything fails, what was kept before stays as it is.

    Raises BwrunError.
    """
    check_terminal(config.sources, LOGIN)
    supervisor.request_directory(needed=False, dry_run=False)
    if supervisor.wait_until_guarded() is None:
        return STATUS_FAILED  # the supervisor is dead
    prompter = open_terminal(config.sources, LOGIN)
    try:
        keeper = Keeper(config, prompter, console)
        answers = ask_account(config, prompter)
        config, is_other = _for_server(config, answers.server)
        credentials = _find_rest(config, answers, (supervisor.descriptor,), console, is_other=is_other)
        steps = UnlockingSteps(config, credentials, start_connecting(config, None, (), console, timings))
        login, unlocked = try_unlocking(steps, config)
        email = login.email if unlocked is None else account_of(unlocked, "")["email"]
        done = "logged in" if unlocked is None else "logged in and unlocked the vault"
        whose = f" of {email}" if email else ""
        prompter.say(printable(f"{done}: the account{whose} at {config.server.name}"))
        keeper.keep(_entry_of(steps, config, answers, login, email or ""))
    finally:
        prompter.close()
    return 0


def _for_server(config: Config, server: Server) -> tuple[Config, bool]:
    """
    Return the settings for the server that was typed, and whether other settings are for another server.

    If they are, none of them counts for this one: neither certificate and headers nor the Key Connector.
    """
    if is_same_server(config.server, server):
        return config.replaced(cache=None), False
    is_other = config.server_is_set
    file = config.sources.config_file
    if file is not None:
        from bwrun.settings.config_tables import without_other_server  # noqa: PLC0415  (only where there is such a file)

        config.sources.config_file = without_other_server(file, {"server": SettingValue(server.name, PROMPT)})
        is_other |= len(config.sources.config_file.values) < len(file.values)
    if is_other:
        config = config.replaced(gateway=None, key_connector_url=None)
    return with_server(config, server).replaced(cache=None), is_other


def _find_rest(
    config: Config, answers: Answers, own_descriptors: tuple[int, ...], console: Console, *, is_other: bool
) -> Credentials:
    """
    Return what was typed, and what is set elsewhere of the rest.

    If what is set elsewhere is for another server (`is_other`) or another account, nothing is taken from there.
    """
    left_out = [name for name in CREDENTIALS if name not in answers.typed]
    typed = answers.typed.get("BW_CLIENTID")
    if left_out and typed is not None and not is_other:
        known = find_client_id(config.sources)
        is_other = known is not None and known.lower() != checked_client_id(typed).lower()
    found = {} if is_other else find_credentials(config, own_descriptors, Deadline(config.timeout), left_out)
    found |= answers.typed
    check_complete(found, is_other=is_other)
    credentials = credentials_of(found)
    console.print_warnings(credentials.warnings)
    console.step(f"credentials: {credentials.places}")
    return credentials


def _entry_of(steps: UnlockingSteps, config: Config, answers: Answers, login: Login, email: str) -> KeptEntry:
    """
    Return what to keep: what was typed, of several tries the right one.

    An account with a Key Connector has no master password, so what was typed as such is not kept.
    """
    api_key, password = steps.credentials.api_key, steps.retyped or steps.credentials.master_password
    secrets = {}
    if "BW_CLIENTSECRET" in answers.typed:
        secrets["BW_CLIENTSECRET"] = api_key.client_secret
    has_password = not isinstance(login.unlock, KeyConnectorData)
    if "BW_PASSWORD" in answers.typed and password is not None and has_password:
        secrets["BW_PASSWORD"] = password
    return KeptEntry(config.server, email, api_key.client_id, secrets)
