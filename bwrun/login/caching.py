"""Opening the cache of the account that a run logs in to."""

from __future__ import annotations

from bwrun.base.moment import Moment
from bwrun.base.structs import Struct
from bwrun.cache.place import Place, find_place
from bwrun.cache.secrets import NOTHING, PASSWORD, USER_KEY, Secrets
from bwrun.cache.store import CacheStore
from bwrun.credentials.found import Credentials
from bwrun.login.cached_unlocking import CachedUnlocking
from bwrun.login.kept_vault import nothing_kept, read_kept
from bwrun.login.steps import UnlockingSteps
from bwrun.login.unlocked import Purpose
from bwrun.settings.caching import ALWAYS
from bwrun.settings.config import Config
from bwrun.settings.option_names import CHECK


def open_cache(steps: UnlockingSteps, purpose: Purpose) -> CachedUnlocking | None:
    """
    Return how to unlock with the cache. None: there is no place for it, of which the user is warned.

    Raises ConfigError: `--offline=always`, and there is no place.
    """
    config, credentials = steps.config, steps.credentials
    settings = config.cache
    if settings is None:
        return None
    problems: list[str] = []
    creates = config.mode != CHECK
    place = find_place(config.sources.environment, settings.directory, create=creates, problems=problems)
    if place is None:
        if problems:
            hint = "set BWRUN_CACHE_DIR to a directory that only you can write to; on a disk, the user key is not kept"
            steps.context.console.warn(f"the cache is off: {'; '.join(problems)}", hint)
        if settings.offline == ALWAYS:
            raise nothing_kept()
        return None
    store = _store_of(config, credentials, place)
    return CachedUnlocking(steps, store, settings, purpose, in_ram=place.in_ram)


class CacheState(Struct):
    """What there is of a cache."""

    directory: str | None  # None: there is none
    in_ram: bool
    age: float | None  # seconds of the vault in it; None: there is none that a run with these credentials could use
    problems: tuple[str, ...]  # why places for the directory cannot be used


def look_into_cache(config: Config, credentials: Credentials) -> CacheState:
    """Look what the cache has for an account; nothing is made or changed."""
    problems: list[str] = []
    settings = config.cache
    chosen = None if settings is None else settings.directory
    place = find_place(config.sources.environment, chosen, create=False, problems=problems)
    if place is None or settings is None:
        return CacheState(None, in_ram=False, age=None, problems=tuple(problems))
    store, now = _store_of(config, credentials, place), Moment.now()
    kept = read_kept(store.open(), settings.lifetime, now, needs_sync=False) if store.exists() else None
    place.close()
    age = None if kept is None else kept.login.written.age(now)
    return CacheState(place.path, place.in_ram, age, tuple(problems))


def _store_of(config: Config, credentials: Credentials, place: Place) -> CacheStore:
    account = (credentials.api_key.client_id.lower(), config.server.identity, config.server.api)
    return CacheStore(place, account, _secrets_of(credentials))


def _secrets_of(credentials: Credentials) -> Secrets:
    """Return what the cache is sealed with: the client secret, and the user key or the master password."""
    kind, second = NOTHING, None
    if credentials.user_key is not None:
        kind, second = USER_KEY, credentials.user_key
    elif credentials.master_password is not None:
        kind, second = PASSWORD, credentials.master_password
    return Secrets(credentials.api_key.client_secret, second, kind)
