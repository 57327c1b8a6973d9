"""`bwrun --login`: ask for the credentials, try them with a real login, and keep them for later runs."""

from __future__ import annotations

from bwrun.base.console import Console, printable
from bwrun.base.deadline import Deadline
from bwrun.base.errors import STATUS_FAILED
from bwrun.base.supervisor_link import SupervisorLink
from bwrun.base.timings import Timings
from bwrun.credentials.confirming import check_terminal, open_terminal
from bwrun.credentials.finding import credentials_of, find_credentials
from bwrun.credentials.kept import with_server
from bwrun.credentials.kept_entry import KeptEntry
from bwrun.credentials.login_dialog import Answers, Keeper, ask_account, check_complete
from bwrun.crypto.parameters import KeyConnectorData
from bwrun.login.account import account_of
from bwrun.login.early_connection import start_connecting
from bwrun.login.steps import UnlockingSteps
from bwrun.login.token import Login
from bwrun.login.unlocking import try_unlocking
from bwrun.settings.config import Config
from bwrun.settings.option_names import LOGIN
from bwrun.settings.sources import CREDENTIALS

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
        config = with_server(config, answers.server).replaced(cache=None)
        credentials = _find_rest(config, answers, (supervisor.descriptor,), console)
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


def _find_rest(config: Config, answers: Answers, own_descriptors: tuple[int, ...], console: Console) -> Credentials:
    """Return what was typed, and what is set elsewhere of the rest."""
    left_out = [name for name in CREDENTIALS if name not in answers.typed]
    found = find_credentials(config, own_descriptors, Deadline(config.timeout), left_out) | answers.typed
    check_complete(found)
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
