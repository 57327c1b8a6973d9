"""Collecting what a session is written from."""

from __future__ import annotations

from bwrun.login.unlocking import UnlockedVault
from bwrun.session.data_file import SessionData
from bwrun.settings.config import Config


def collect_session_data(config: Config, unlocked: UnlockedVault) -> SessionData:
    """Return the data of a session; the API key is part of it only with --session-api-key."""
    api_key = (unlocked.api_key.client_id, unlocked.api_key.client_secret) if config.session_api_key else None
    return SessionData(
        server=config.server,
        device=unlocked.device,
        user_id=unlocked.login.user_id,
        email=unlocked.login.email,
        access_token=unlocked.login.access_token,
        api_key=api_key,
        unlock=unlocked.login.unlock,
        keys=unlocked.keys,
        wrapped_keys=unlocked.wrapped_keys,
        key_connector_url=unlocked.key_connector_url,
        sync=unlocked.sync,
        sync_date=unlocked.sync_date,
        server_config=unlocked.server_config,
    )
