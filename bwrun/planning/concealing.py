"""Which values of a run must not show in the command's output, with `--mask`."""

from __future__ import annotations

from bwrun.masking.redirecting import Redirection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bwrun.base.console import Console
    from bwrun.base.supervisor_link import SupervisorLink
    from bwrun.injection.resolving import ResolvedSecrets
    from bwrun.settings.config import Config
    from bwrun.vault.vault import Vault

MOST_ITEMS = 200  # of a session with --only, whose secrets are masked too


class Concealment:
    """The masking of one run."""

    def __init__(self, config: Config, supervisor: SupervisorLink, console: Console) -> None:
        """
        Have the masker started: it gets ready while this process logs in.

        Raises SessionError: it cannot be started.
        """
        self._config = config
        self._console = console
        self._redirection = Redirection(supervisor)

    def hand_over(
        self,
        session: Mapping[str, str] | None,
        resolved: ResolvedSecrets | None,
        vault: Vault | None,
        chosen: Collection[str] | None,
    ) -> None:
        """
        Give the values of this run to the masker; the arguments are those of `values_to_conceal()`.

        Raises SessionError: the masker has died, or the system gives no pipe or terminal.
        """
        values = values_to_conceal(session, resolved, vault, chosen)
        tell_runner(values, self._config, self._console)
        self._redirection.hand_over(self._config.masked, values)

    def enter(self) -> None:
        """Make the masker's pipes and terminals the output of this process, which is about to become the command."""
        self._redirection.enter()


def values_to_conceal(
    session: Mapping[str, str] | None,
    resolved: ResolvedSecrets | None,
    vault: Vault | None,
    chosen: Collection[str] | None,
) -> list[bytes]:
    """
    Return all values that the run injects, and the secrets of the items of a small session.

    `session` has the session's variables; `chosen` are the ids of its items, if it is limited.
    """
    values = [value for _, value in resolved.revealed] if resolved is not None else []
    if session and session.get("BW_SESSION"):
        values.append(session["BW_SESSION"].encode())
    if vault is not None and chosen is not None and len(chosen) <= MOST_ITEMS:
        values += [secret.reveal() for secret in vault.secrets_of(sorted(chosen))]
    return list(dict.fromkeys(values))


def tell_runner(values: Collection[bytes], config: Config, console: Console) -> None:
    """On GitHub Actions, tell the runner what to mask in the log."""
    from bwrun.masking import github  # noqa: PLC0415

    if github.is_runner(config.sources.environment) and not github.add_masks(values):
        console.warn(
            "the runner was not told the values: bwrun's stderr is not what the runner alone reads",
            "the output of this command is masked all the same; that of other steps is not",
        )
