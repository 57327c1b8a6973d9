"""
Unlocking the vault with the cache: the server is asked only whether the vault in it is current.

If it is not, or there is none, this run fetches it and keeps it for the next ones. Meanwhile it holds a lock, so that
parallel runs wait for it and then use what it has kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bwrun.base.errors import AuthenticationError, BwrunError, NetworkError, ServerError, WrongMasterPasswordError
from bwrun.base.jsontext import write_json
from bwrun.base.moment import Moment
from bwrun.base.tasks import Task
from bwrun.cache.store import CacheStore, ToldError
from bwrun.login.access import HTTP_UNAUTHORIZED, Access
from bwrun.login.fetching import Fetched, fetch_sync
from bwrun.login.kept_vault import (
    KeptLogin,
    KeptVault,
    Stamp,
    in_words,
    keys_in,
    left_of,
    nothing_kept,
    read_kept,
    revision_of,
)
from bwrun.login.steps import UnlockingSteps, result_if_ready
from bwrun.login.token import Login, read_login
from bwrun.login.turns import wait_for_turn
from bwrun.network.answer import HTTP_OK, Answer
from bwrun.settings.caching import ALWAYS, AUTO, CacheSettings
from bwrun.settings.option_names import CHECK, LIST
from bwrun.settings.servers import origin

if TYPE_CHECKING:
    from bwrun.cache.sealed_file import SealedFile
    from bwrun.login.unlocked import Purpose, UnlockedVault

# An access token is used if it is valid for so many seconds yet. The token of a session is for the command; other runs
# need one for attachments at most.
SESSION_USE = 900.0
SHORT_USE = 60.0
CURRENT = "current"
KEY_TIME = 30.0  # seconds more than --timeout for the key derivation, if the server did not answer
ROUNDS = 3  # how often a run waits for another one before it does without the lock
# The errors of a server that cannot be reached, and of one that fails: `--offline=auto` uses the cache then.
NO_ANSWER = (
    "network.timeout", "network.dns", "network.unreachable", "network.interrupted", "network.proxy",
    "server.unavailable",
)  # fmt: skip
# What is not told to runs that wait for this one: it comes of this run's own time, network and settings.
OWN = ("network.", "config.", "server.rate-limit", "crypto.kdf-parameters", "crypto.argon2", "crypto.key-connector")


class CachedUnlocking:
    """The steps of unlocking with the cache."""

    def __init__(
        self, steps: UnlockingSteps, store: CacheStore, settings: CacheSettings, purpose: Purpose, *, in_ram: bool
    ) -> None:
        """Begin to open the cache file, in a thread. `in_ram` says whether the user key may be kept."""
        self._steps = steps
        self._store = store
        self._settings = settings
        self._purpose = purpose
        self._in_ram = in_ram
        self._refused = False  # whether the server refused the access token of the cache
        self._revision: str | None = None  # what the server said last
        self._began = Moment.now()
        self._found = steps.context.start("cache", self._read) if store.exists() else None

    def unlock(self, meanwhile: Callable[[], None]) -> UnlockedVault:
        """
        Unlock the vault, as `unlock_vault()` does.

        Raises what that raises; ConfigError: `--offline=always`, and there is no vault in the cache.
        """
        kept = None
        if self._found is not None:
            self._steps.context.import_by(self._import)
            kept = self._found.result()
        if self._settings.offline == ALWAYS:
            if kept is None:
                raise nothing_kept()
            return self._use(kept, meanwhile, "not checked")
        for _ in range(ROUNDS):
            unlocked = None if kept is None else self._try(kept, meanwhile)
            if unlocked is not None:
                return unlocked
            try:
                if self._steps.config.mode != CHECK:
                    wait_for_turn(self._store, self._steps.context)
            except NetworkError as error:
                return self._do_without(kept, error, meanwhile)
            newer = self._read()
            if newer is None or (kept is not None and newer.login.written == kept.login.written):
                break
            self._store.unlock()  # another run has kept a vault meanwhile
            kept = newer
        try:
            return self._renew(kept, meanwhile)
        except BwrunError as error:
            self._after_failure(error)
            return self._do_without(kept, error, meanwhile)

    def _import(self) -> None:
        """Import what is needed in any case, while a thread opens the cache file."""
        import bwrun.crypto.account_keys  # noqa: F401, PLC0415

        if not self._settings.may_ask_nothing:
            _ = self._steps.client

    def _read(self) -> KeptVault | None:
        needs_sync = self._purpose.needs_sync
        return read_kept(self._store.open(), self._settings.lifetime, Moment.now(), needs_sync=needs_sync)

    def _try(self, kept: KeptVault, meanwhile: Callable[[], None]) -> UnlockedVault | None:
        """Return the vault if it is current; None if it has to be fetched, or if the access token does not do."""
        now = Moment.now()
        checked = kept.stamp.checked.age(now)
        if checked is not None and checked <= self._settings.max_age:
            return self._use(kept, meanwhile, f"checked {in_words(checked)} ago")
        login = self._login_of(kept.login)
        if login.lifetime < self._needed(login.lifetime + (kept.login.issued.age(now) or 0)):
            return None
        access = self._steps.access_of(login)
        try:
            self._revision = self._ask(access, meanwhile)
        except (NetworkError, ServerError) as error:
            return self._do_without(kept, error, meanwhile)
        if self._refused or not kept.is_current(self._revision):
            return None
        if self._steps.config.mode != CHECK:
            kept.file.write_stamp(Stamp(self._revision, now).to_bytes())
        return self._use(kept, meanwhile, CURRENT)

    def _ask(self, access: Access, meanwhile: Callable[[], None]) -> str | None:
        """Return when the vault was last changed; None if the server does not say, or refuses the token."""
        answer = self._steps.context.start("revision", lambda: self._request_revision(access))
        self._steps.context.import_by(meanwhile)
        server = origin(self._steps.config.server.api)
        return self._steps.context.wait(answer, server, f"asking {server} whether the vault has changed")

    def _request_revision(self, access: Access) -> str | None:
        said = self._steps.client.get("accounts/revision-date", access.token)
        self._refused = said.status == HTTP_UNAUTHORIZED
        return revision_of(said.data) if said.status == HTTP_OK else None

    def _do_without(self, kept: KeptVault | None, error: BwrunError, meanwhile: Callable[[], None]) -> UnlockedVault:
        """Open the vault in the cache, with a warning, if `--offline` allows that after this error; else raise it."""
        if kept is None or self._refused or self._settings.offline != AUTO or error.code not in NO_ANSWER:
            raise error
        age = in_words(kept.login.written.age(Moment.now()))
        self._steps.context.console.warn(f"using the vault that was cached {age} ago: {error.message}")
        self._steps.context.deadline.extend(KEY_TIME)  # on a disk there is a key to derive
        return self._use(kept, meanwhile, "offline")

    def _use(self, kept: KeptVault, meanwhile: Callable[[], None], how: str) -> UnlockedVault:
        """Open the vault in the cache. `how` says what is known of it."""
        words = f"cached {in_words(kept.login.written.age(Moment.now()))} ago, {how}"
        self._steps.context.console.step(f"using the vault in the cache: {words}")
        current = None if how == CURRENT else kept.stamp.checked.wall
        unlocked = self._open(kept.login, kept.fetched(current), meanwhile)
        return unlocked.replaced(cached=words, encoded=kept.encoded)

    def _open(self, state: KeptLogin, fetched: Fetched, meanwhile: Callable[[], None]) -> UnlockedVault:
        """Open a vault with what is kept of the login."""
        login = self._login_of(state)
        if login.email:  # else the worker says it, when the vault is open
            self._steps.context.console.step(f"the account is that of {login.email}")
        access = self._steps.access_of(login)
        connector = state.key_connector_url
        if state.user_key is not None:
            from bwrun.crypto.vault_key import parse_key  # noqa: PLC0415

            self._steps.context.import_by(meanwhile)
            user_key = parse_key(state.user_key)
        else:
            user_key, connector = self._steps.unwrap_user_key(login, access, Task(lambda: fetched), meanwhile)
        return self._steps.open_vault(
            login,
            access,
            fetched,
            user_key,
            connector=connector,
            server_config=state.server_config,
            account_keys=(state.wrapped_keys, state.user_id),
        )

    def _renew(self, kept: KeptVault | None, meanwhile: Callable[[], None]) -> UnlockedVault:
        """Fetch what is not current, and keep it for the next runs."""
        told = self._store.failure_since(self._began)
        if told is not None:
            raise told
        unlocked = None
        if kept is not None and self._revision is not None:
            unlocked = self._sync_again(kept, self._revision, meanwhile)
        return unlocked if unlocked is not None else self._log_in(kept, meanwhile)

    def _sync_again(self, kept: KeptVault, revision: str, meanwhile: Callable[[], None]) -> UnlockedVault | None:
        """Fetch the vault with the access token of the cache; return None if the account has other keys by now."""
        login, now = self._login_of(kept.login), Moment.now()
        access = self._steps.access_of(login)
        fetched = self._steps.wait_for_sync(self._steps.start_sync(access, login))
        if access.device != kept.login.device or keys_in(fetched.data) != keys_in(kept.sync() or {}):
            return None
        state = kept.login.replaced(written=now, sync_date=fetched.date)
        unlocked = self._open(state, fetched, meanwhile)
        return self._keep(kept.file, state, unlocked, Stamp(revision, now))

    def _log_in(self, kept: KeptVault | None, meanwhile: Callable[[], None]) -> UnlockedVault:
        """Log in; fetch the vault too, unless the one in the cache is current."""
        steps = self._steps
        login, answer, config = steps.log_in(needs_config=True)
        new = Task(self._store.new)
        issued = Moment.now()
        access = steps.access_of(login)
        if kept is not None:
            old = self._login_of(kept.login)
            if (old.unlock, old.account_keys) != (login.unlock, login.account_keys):
                kept = None  # the account has other keys by now
        fetching = self._steps.context.start("sync", lambda: self._fetch(access, kept))
        sync = Task(lambda: fetching.result()[0])
        key = None if kept is None else kept.login.user_key
        if kept is not None and key is not None:
            from bwrun.crypto.vault_key import parse_key  # noqa: PLC0415

            self._steps.context.import_by(meanwhile)
            user_key, connector = parse_key(key), kept.login.key_connector_url
        else:
            user_key, connector = steps.unwrap_user_key(login, access, sync, meanwhile)
        if steps.retyped is not None:
            new = Task(lambda: self._store.new(steps.retyped))
        fetched = steps.wait_for_sync(sync)
        unlocked = steps.open_vault(
            login, access, fetched, user_key, connector=connector, server_config=result_if_ready(config)
        )
        state = KeptLogin(
            reply=answer.data,
            device=access.device,
            issued=issued,
            sync_date=fetched.date,
            wrapped_keys=unlocked.wrapped_keys,
            user_id=unlocked.user_id,
            server_config=unlocked.server_config,
            user_key=user_key.encode() if self._in_ram else None,
            key_connector_url=connector,
            written=issued,
        )
        if access.device == steps.device:  # else the server has dropped the access token in `answer`
            return self._keep(new.result(), state, unlocked, Stamp(fetching.result()[1], issued))
        return unlocked

    def _fetch(self, access: Access, kept: KeptVault | None) -> tuple[Fetched, str | None]:
        """Return the vault, and when it was last changed; that of the cache if it is current."""
        try:
            revision = self._request_revision(access)
        except ServerError:
            revision = None
        if kept is not None and kept.is_current(revision) and (sync := kept.sync()) is not None:
            return Fetched(lambda: sync, kept.login.sync_date), revision
        return fetch_sync(access), revision

    def _keep(self, file: SealedFile, state: KeptLogin, unlocked: UnlockedVault, stamp: Stamp) -> UnlockedVault:
        """Write the cache file, and let the runs go on that wait for it. Return the vault with what was made of it."""
        if self._steps.config.mode == CHECK:
            return unlocked
        encode = self._purpose.encode
        encoded = None if encode is None else encode(unlocked)
        with self._steps.context.timings.phase("keep"):
            parts = {"state": state.to_bytes(), "sync": write_json(unlocked.sync), "session": encoded or b""}
            saved = self._store.save(file, parts, stamp.to_bytes())
        self._store.unlock()
        self._steps.context.console.step("kept the vault in the cache" if saved else "cannot write the cache file")
        return unlocked.replaced(encoded=encoded)

    def _login_of(self, state: KeptLogin) -> Login:
        """Return the login of the cache, whose access token is valid for less time by now."""
        login = read_login(Answer(HTTP_OK, {}, state.reply), self._steps.credentials, self._steps.config.server)
        left = left_of(login, state.issued, Moment.now())
        return login.replaced(lifetime=max(1, int(left)))

    def _needed(self, lifetime: float) -> float:
        """Return the seconds for which this run needs an access token, which was issued for `lifetime` seconds."""
        opens_session = self._steps.config.wants_session and self._steps.config.mode != LIST
        return min(lifetime / 2, SESSION_USE if opens_session else SHORT_USE)

    def _after_failure(self, error: BwrunError) -> None:
        """Tell the runs that wait, and remove a cache that opens with credentials that are not right any more."""
        if self._steps.config.mode == CHECK:
            return
        if isinstance(error, (AuthenticationError, WrongMasterPasswordError)):
            self._store.remove_own()
        if not error.code.startswith(OWN) and not isinstance(error, ToldError):
            self._store.note_failure(error, Moment.now())
        self._store.unlock()
