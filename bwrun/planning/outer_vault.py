"""The vault that a nested run sees: what the session of the outer bwrun holds."""

from __future__ import annotations

from bwrun.base.errors import SecretNotFoundError, SessionError
from bwrun.credentials.finding import are_all_set
from bwrun.session.formats import FORMAT
from bwrun.settings.option_names import LIST
from bwrun.vault.vault import Requests, Vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bwrun.base.console import Console
    from bwrun.login.stored_token import StoredToken
    from bwrun.planning.plan import Plan
    from bwrun.session.nested import OuterSession
    from bwrun.settings.config import Config
    from bwrun.vault.items import Attachment


class OuterVault:
    """What the outer session holds, and how to connect to its server for attachments."""

    def __init__(self, session: OuterSession, config: Config, console: Console) -> None:
        """
        Read the outer session.

        Raises SessionError: it is logged out, locked or damaged; CryptoError: the keys of its account are.
        """
        self._held = FORMAT.read(session.variables["BITWARDENCLI_APPDATA_DIR"], session.variables["BW_SESSION"])
        self._session = session
        self._config = config
        self._console = console
        self._token: StoredToken | None = None  # for attachments

    def restart_deadline(self) -> None:
        """Give the requests from now on as much time as the first ones had."""
        if self._token is not None:
            self._token.restart_deadline()

    def close(self) -> None:
        """Close the connections; nothing will be downloaded any more."""
        if self._token is not None:
            self._token.close()

    def open(self, *, allow_protected: bool) -> Vault:
        """Return the vault. Only attachments need requests."""
        requests = Requests(self._downloads())
        return Vault(
            self._held.sync,
            self._held.keys,
            allow_protected=allow_protected,
            requests=requests,
            explain=_not_in_session,
        )

    def _downloads(self) -> Callable[[Attachment], bytes]:
        """Return the function that downloads attachments, each once even if two references name it."""
        bodies: dict[tuple[str, str], bytes] = {}

        def download(attachment: Attachment) -> bytes:
            if self._token is None:
                from bwrun.login.stored_token import StoredToken  # noqa: PLC0415  (few references name a file)

                self._token = StoredToken(self._held.access_token, self._session.server, self._config, self._console)
            key = (attachment.item_id, attachment.id)
            if key not in bodies:
                bodies[key] = self._token.download(*key, attachment.file_name)
            return bodies[key]

        return download


def read_outer(plan: Plan, config: Config, console: Console) -> tuple[Plan, OuterVault | None]:
    """
    Read the outer session if the run looks something up there.

    Return the plan and what was read. If the session cannot be used and this run has credentials, return a plan for a
    login instead.

    Raises SessionError, CryptoError, as OuterVault.
    """
    if plan.outer is None or not (config.mode == LIST or plan.has_references):
        return plan, None
    try:
        vault = OuterVault(plan.outer, config, console)
    except SessionError as error:
        if not are_all_set(config):
            raise
        console.step(f"{error.message}: logging in")
        from bwrun.planning.plan import without_outer  # noqa: PLC0415  (few sessions cannot be used)

        return without_outer(plan, config), None
    console.step("resolving from the session of the outer bwrun")
    return plan, vault


def _not_in_session(error: SecretNotFoundError) -> SecretNotFoundError:
    """Return the error of a reference to an item that the outer session does not hold."""
    return SecretNotFoundError(
        "not-in-session",
        f"{error.message} in the session of the outer bwrun",
        "a bwrun inside another one sees only what that one's session holds: if that run has `--only`, add the item"
        " there; if the item is new, start that run again",
        *error.hints,
    )
