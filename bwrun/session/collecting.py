"""Collecting the data of a session."""

from __future__ import annotations

from bwrun.base.console import Console
from bwrun.login.unlocked import UnlockedVault
from bwrun.session.contents import SessionData
from bwrun.settings.config import Config


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
