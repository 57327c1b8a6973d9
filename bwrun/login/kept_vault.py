"""
What the cache keeps of a login and of the vault, and whether it is still current.

The server says when the vault last changed (GET /accounts/revision-date). It is asked before the vault is fetched, and
again before the vault in the cache is used. If both answers are the same, nothing has changed.
"""

from __future__ import annotations

import base64
import json

from bwrun.base.errors import ConfigError
from bwrun.base.jsontext import read_json
from bwrun.base.moment import Moment
from bwrun.base.structs import Struct
from bwrun.crypto.parameters import WrappedAccountKeys
from bwrun.login.fetching import Fetched
from bwrun.vault.sync import sync_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.cache.sealed_file import SealedFile
    from bwrun.login.token import Login

MAX_REVISION = 64  # characters
DATE_CHARACTERS = "0123456789-+:.TZ "  # of a number, and of a date in RFC 3339


class KeptLogin(Struct):
    """What the cache keeps beside the vault: the part `state` of its file."""

    reply: object  # of the server, to the login
    device: str
    issued: Moment  # when the access token was
    sync_date: float | None  # the header Date of the sync, in seconds since the epoch
    wrapped_keys: WrappedAccountKeys  # the other keys of the account, as the server sent them
    user_id: str | None
    server_config: object
    user_key: bytes | None  # None on a disk
    key_connector_url: str | None
    written: Moment  # when the vault was fetched, or found to be current by a login

    def to_bytes(self) -> bytes:
        """Return all of it as JSON."""
        key = self.user_key
        return json.dumps(
            {
                **self.as_dict(),
                "issued": self.issued.to_list(),
                "written": self.written.to_list(),
                "user_key": None if key is None else base64.b64encode(key).decode("ascii"),
                "wrapped_keys": self.wrapped_keys.as_dict(),
            }
        ).encode()

    @classmethod
    def read(cls, data: bytes) -> KeptLogin | None:
        """Return what `to_bytes()` made, None if it is something else."""
        try:
            found = json.loads(data)
            issued, written = Moment.read(found["issued"]), Moment.read(found["written"])
            key = found["user_key"]
            parts = {
                **{name: found[name] for name in cls.FIELDS},
                "user_key": None if key is None else base64.b64decode(key),
                "wrapped_keys": WrappedAccountKeys(**found["wrapped_keys"]),
            }
        except (ValueError, TypeError, KeyError):
            return None
        if issued is None or written is None:
            return None
        return cls(**{**parts, "issued": issued, "written": written})


class Stamp(Struct):
    """What was last known of the vault."""

    revision: str | None  # the date of its last change, as the server wrote it; None: the server does not say
    checked: Moment  # when the vault was known to be current

    def to_bytes(self) -> bytes:
        """Return it as JSON of less than 128 bytes."""
        checked = self.checked
        return json.dumps([self.revision, round(checked.wall, 3), round(checked.running, 3), checked.boot[:8]]).encode()

    @classmethod
    def read(cls, data: bytes, boot: str) -> Stamp | None:
        """Return what `to_bytes()` made, None if it is something else; `boot` is that of this machine."""
        try:
            revision, wall, running, start = json.loads(data)
            same = boot if boot and boot.startswith(start) else f"not {boot}"
            return cls(revision, Moment(float(wall), float(running), same))
        except (ValueError, TypeError):
            return None


class KeptVault:
    """A vault in the cache."""

    def __init__(self, file: SealedFile, login: KeptLogin, stamp: Stamp, parts: dict[str, bytes]) -> None:
        """Take what is in `file`; `parts` has the vault in one form or both: `sync` and `session`."""
        self.file = file
        self.login = login
        self.stamp = stamp
        self._parts = parts

    def is_current(self, revision: str | None) -> bool:
        """Return whether nothing has changed since the vault was fetched; `revision` is what the server says now."""
        return revision is not None and revision == self.stamp.revision

    @property
    def encoded(self) -> bytes | None:
        """Return the vault as sessions hold it, None if it is not there."""
        return self._parts.get("session") or None

    def sync(self) -> dict[str, object] | None:
        """Return the reply to the sync, None if that part of the file is damaged."""
        data = self._parts.get("sync") or self.file.part("sync")
        found = None if data is None else read_json(data)
        return found if isinstance(found, dict) else None

    def fetched(self, current: float | None = None) -> Fetched:
        """Return the vault; `current` is when it was last known to be current, None: just now."""
        return Fetched(lambda: self.sync() or {}, self.login.sync_date, current)


def read_kept(file: SealedFile | None, lifetime: float, now: Moment, *, needs_sync: bool) -> KeptVault | None:
    """
    Return the vault in a cache file; None if it does not open, is damaged, or is older than `lifetime` seconds.

    `needs_sync`: the run needs the reply to the sync. Otherwise the form that sessions hold is enough, if it is there.
    """
    state = None if file is None else file.part("state")
    login = None if state is None else KeptLogin.read(state)
    if file is None or login is None:
        return None
    age = login.written.age(now)
    if age is None or age > lifetime or login.issued.age(now) is None:
        return None
    parts = {} if needs_sync else {"session": file.part("session")}
    if not parts.get("session"):
        parts["sync"] = file.part("sync")
    found = {name: part for name, part in parts.items() if part is not None}
    if len(found) < len(parts):
        return None
    data = file.stamp()
    stamp = None if data is None else Stamp.read(data, now.boot)
    return KeptVault(file, login, stamp or Stamp(None, login.written), found)


def left_of(login: Login, issued: Moment, now: Moment) -> float:
    """Return the seconds for which an access token is valid yet; 0 if a clock was set back."""
    age = issued.age(now)
    return 0.0 if age is None else login.lifetime - age


def revision_of(data: object) -> str | None:
    """
    Return the date in the reply to GET /accounts/revision-date, which is a number of milliseconds or a text.

    None: it is no date. A date is never cut: two with the same beginning would be taken for one.
    """
    if isinstance(data, bool) or not isinstance(data, (int, float, str)):
        return None
    text = str(data)
    return text if len(text) <= MAX_REVISION and not text.strip(DATE_CHARACTERS) else None


def keys_in(sync: dict[str, object]) -> tuple[object, ...]:
    """Return the wrapped keys of the account in the reply to a sync."""
    profile = sync_of(sync).get("profile")
    found = profile if isinstance(profile, dict) else {}
    return tuple(found.get(name) for name in ("key", "privateKey", "accountKeys"))


def nothing_kept() -> ConfigError:
    """Return the error for a run that may use nothing but the cache, and finds nothing in it."""
    return ConfigError(
        "nothing-cached", "`--offline=always` is set, and there is no vault in the cache that can be used",
        "run once without `--offline=always`; it may be older than `--cache` allows, or of other credentials",
    )  # fmt: skip


def in_words(seconds: float | None) -> str:
    """Return a time in words, e.g. `3 min`."""
    if seconds is None:
        return "0 s"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
