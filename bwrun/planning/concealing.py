"""Which values of a run must not show in the command's output, with `--mask`."""

from __future__ import annotations

from bwrun.masking.forms import is_masked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bwrun.base.console import Console
    from bwrun.injection.resolving import ResolvedSecrets
    from bwrun.settings.config import Config
    from bwrun.vault.vault import Vault

MOST_ITEMS = 200  # of a session with --only, whose secrets are masked too


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


def not_concealed(resolved: ResolvedSecrets | None) -> tuple[str, ...]:
    """Return the variables, and places in templates, whose values are too short or too trivial to be masked."""
    found = () if resolved is None else resolved.revealed
    return tuple(dict.fromkeys(name for name, value in found if not is_masked(value)))


def tell_runner(values: Collection[bytes], config: Config, console: Console) -> None:
    """On GitHub Actions, tell the runner what to mask in the log."""
    from bwrun.masking import github  # noqa: PLC0415

    if github.is_runner(config.sources.environment) and not github.add_masks(values):
        console.warn(
            "the runner was not told the values: bwrun's stderr is not what the runner alone reads",
            "the output of this command is masked all the same; leave stderr to the runner to have other steps masked too",
        )
