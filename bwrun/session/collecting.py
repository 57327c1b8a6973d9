"""Collecting the data of a session."""

from __future__ import annotations

from bwrun.base.console import Console
from bwrun.login.unlocked import UnlockedVault
from bwrun.session.contents import SessionData
from bwrun.settings.config import Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from bwrun.session.limited import KeyPair


def collect_session_data(config: Config, unlocked: UnlockedVault, console: Console) -> SessionData:
    """
    Return the data of a session; the API key is part of it only with --session-api-key.

    With -v, `console` prints what of the vault the session lacks.
    """
    api_key = (unlocked.api_key.client_id, unlocked.api_key.client_secret) if config.session_api_key else None
    return SessionData(
        server=config.server,
        device=unlocked.access.device,
        user_id=unlocked.login.user_id,
        email=unlocked.login.email,
        access_token=unlocked.access.token,
        api_key=api_key,
        unlock=unlocked.login.unlock,
        keys=unlocked.keys,
        wrapped_keys=unlocked.wrapped_keys,
        key_connector_url=unlocked.key_connector_url,
        read_sync=lambda: unlocked.sync,
        sync_date=unlocked.fetched.date,
        sync_current=unlocked.fetched.current,
        encoded_vault=unlocked.encoded,
        server_config=unlocked.server_config,
        note=console.step,
    )


def collect_limited(
    config: Config,
    unlocked: UnlockedVault,
    console: Console,
    chosen: Collection[str] | None,
    pair: KeyPair | None,
) -> SessionData:
    """
    Return what the session contains: the whole vault, or the items whose ids are in `chosen`.

    `pair` are keys for such a session, if they have been made already.
    """
    data = collect_session_data(config, unlocked, console)
    if chosen is None:
        return data
    from bwrun.session.limited import limit_session, make_key_pair  # noqa: PLC0415  (only for --only)

    return limit_session(data, frozenset(chosen), pair or make_key_pair())
