"""
The steps from the settings to an open vault.

The worker takes them between its talks with the supervisor; the library takes them one after the other.
"""

from __future__ import annotations

from bwrun.base.errors import CredentialError
from bwrun.credentials.finding import read_credentials
from bwrun.login.early_connection import start_connecting
from bwrun.planning.plan import find_kept_for
from bwrun.settings.config import load_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bwrun.base.console import Console
    from bwrun.base.timings import Timings
    from bwrun.credentials.kept import Kept
    from bwrun.login.context import LoginContext
    from bwrun.login.unlocked import UnlockedVault
    from bwrun.planning.outer_vault import OuterVault
    from bwrun.planning.plan import Plan
    from bwrun.session.contents import SessionData
    from bwrun.session.limited import KeyPair
    from bwrun.settings.command_line import Options
    from bwrun.settings.config import Config
    from bwrun.vault.vault import Vault


def read_settings(options: Options, environment: Mapping[str, str]) -> Config:
    """
    Return the settings; inside another bwrun, with the server of that one if none is set.

    Raises ConfigError, UsageError: a file cannot be read, or a setting is wrong; CredentialError: the client id is
    malformed.
    """
    if environment.get("BITWARDENCLI_APPDATA_DIR"):
        from bwrun.session.nested import load_nested  # noqa: PLC0415  (few runs are nested)

        return load_nested(options, environment)
    return load_config(options, environment)


class Opening:
    """The way to the vault of one run, or of one block of the library."""

    def __init__(self, config: Config, console: Console, timings: Timings) -> None:
        """Do nothing yet."""
        self.config = config
        self.key_pair: KeyPair | None = None  # of a session with --only
        self.places: dict[str, str | None] = {}  # where each credential came from
        self._kept: Kept | None = None  # what `bwrun --login` keeps
        self._console = console
        self._timings = timings
        self._plan: Plan | None = None
        self._context: LoginContext | None = None
        self._outer_vault: OuterVault | None = None  # of a nested run that looks something up

    def follow(self, plan: Plan) -> Plan:
        """
        Go on by this plan: read the session of the outer bwrun if the plan is to use it.

        Return the plan, or that of a run that logs in if the session cannot be used.

        Raises SessionError: the session cannot be used, and there are no credentials to log in; CryptoError.
        """
        self._plan = plan
        if plan.outer is not None:
            from bwrun.planning.outer_vault import read_outer  # noqa: PLC0415  (few runs are nested)

            self._plan, self._outer_vault = read_outer(plan, self.config, self._console)
        return self._plan

    def connect(self, plan: Plan) -> None:
        """
        Begin to connect, if the plan needs a login. What the run lacks may then be what `bwrun --login` keeps.

        Raises ConfigError, SessionError, as `start_connecting()`; CredentialError: what is kept cannot be used.
        """
        if plan.logs_in:
            self.config, self._kept = find_kept_for(plan, self.config)
            connect = (self.config, plan.dialed, plan.items, self._console, self._timings)
            self._context = start_connecting(*connect)

    def unlock(
        self,
        plan: Plan,
        descriptors: tuple[int, ...] = (),
        collect: Callable[[UnlockedVault], SessionData] | None = None,
    ) -> UnlockedVault | None:
        """
        Read the credentials, log in, fetch the vault and unlock it. Return None if `connect()` found no login needed.

        `descriptors` are bwrun's own, which are no place for a password; `collect` returns the data of a session with
        the whole vault, None if there will be no session.

        Raises what `read_credentials()` and `unlock_vault()` raise.
        """
        config, console, context = self.config, self._console, self._context
        if context is None:
            return None
        try:
            credentials = read_credentials(config, descriptors, context.deadline, self._kept)
        except CredentialError as error:
            from bwrun.session.nested import explain_missing  # noqa: PLC0415  (only after a failure)

            has_references = plan.requested is not None and bool(plan.requested.references)
            raise explain_missing(error, config, has_references=has_references) from None
        console.print_warnings(credentials.warnings)
        console.step(f"credentials: {credentials.places}")
        self.places = credentials.place_of_each
        from bwrun.login.unlocking import unlock_vault  # noqa: PLC0415  (while the connection is being made)
        from bwrun.planning.preparing import prepare_next_steps  # noqa: PLC0415
        from bwrun.planning.purpose import purpose_of  # noqa: PLC0415

        def meanwhile() -> None:
            self.key_pair = prepare_next_steps(plan, config)

        unlocked = unlock_vault(config, credentials, context, meanwhile, purpose_of(plan, config, collect))
        if config.verbose and not unlocked.login.email:
            from bwrun.login.account import tell_account  # noqa: PLC0415  (most servers say it in their reply to the login)

            tell_account(unlocked, console)
        return unlocked

    def vault_of(self, unlocked: UnlockedVault | None, *, allow_protected: bool) -> Vault | None:
        """Return the vault: what the outer session holds, or that of the account; None if neither was opened."""
        if self._outer_vault is not None:
            return self._outer_vault.open(allow_protected=allow_protected)
        if unlocked is None:
            return None
        from bwrun.injection.resolving import open_vault  # noqa: PLC0415

        return open_vault(unlocked, allow_protected=allow_protected)

    def restart_deadline(self) -> None:
        """Give the requests of what is done next, for example of a download, as much time as the login had."""
        if self._context is not None:
            self._context.deadline.restart()
        if self._outer_vault is not None:
            self._outer_vault.restart_deadline()

    def close(self) -> None:
        """Close all connections. The worker does not call this: `execve` closes them."""
        if self._plan is not None and self._plan.dialed is not None:
            self._plan.dialed.abandon()
        if self._context is not None:
            self._context.close_network()
        if self._outer_vault is not None:
            self._outer_vault.close()
