"""Which values of a run must not show in the command's output, with `--mask`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bwrun.injection.resolving import ResolvedSecrets
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
