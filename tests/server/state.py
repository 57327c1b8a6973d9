"""What the server holds: accounts, their encrypted vaults, issued tokens' validity.

Stored objects are JSON as the 2026 official API gives it (camelCase); other reply styles are made from it on the way
out.  Times are UTC; `revision` is in milliseconds since the epoch, as GET accounts/revision-date gives it.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.server.json_types import Json
from tests.server.keys import Key
from tests.server.specs import AccountSpec, ReplyStyle


def timestamp(seconds: float | None = None) -> str:
    """ISO 8601 in UTC with microseconds and Z; now when `seconds` is None."""
    moment = datetime.fromtimestamp(time.time() if seconds is None else seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def make_id() -> str:
    """A random UUID in text, in which no two letters stand side by side: no word that a test looks for is in it."""
    digits = [secrets.choice("0123456789") + secrets.choice("0123456789abcdef") for _ in range(16)]
    digits[6], digits[8] = "4" + digits[6][1], "8" + digits[8][1]
    return str(uuid.UUID("".join(digits)))


@dataclass
class StoredOrganization:
    """An organization and its 64-byte key; `wrapped_key` is for the account's RSA key (type 4)."""

    id: str
    name: str
    enabled: bool
    key: bytes
    wrapped_key: str


@dataclass
class SignedKeys:
    """What a V2 account has beside its private key: EncString, base64 of COSE_Key, and twice base64 of COSE_Sign1."""

    signing_key: str
    verifying_key: str
    signed_public_key: str
    security_state: str


@dataclass
class StoredAccount:
    """
    One account: credentials, keys in clear (this is a test server) and the encrypted vault.

    `user_key` as it is wrapped; `key` is what encrypts with it (not there for an account of the SDK's).
    """

    spec: AccountSpec
    user_id: str
    client_id: str
    client_secret: str
    salt: str
    user_key: bytes
    wrapped_user_key: str | None
    private_key: str
    public_key: str
    key: Key
    signed: SignedKeys | None
    key_connector_key: bytes | None
    security_stamp: str = field(default_factory=make_id)
    created: str = field(default_factory=timestamp)
    organizations: dict[str, StoredOrganization] = field(default_factory=dict)
    folders: dict[str, Json] = field(default_factory=dict)
    collections: dict[str, Json] = field(default_factory=dict)
    ciphers: dict[str, Json] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    item_ids: dict[str, str] = field(default_factory=dict)
    folder_ids: dict[str, str] = field(default_factory=dict)
    collection_ids: dict[tuple[str, str], str] = field(default_factory=dict)
    revision: int = field(default_factory=lambda: int(time.time() * 1000))
    first_valid_serial: int = 0
    device_serials: dict[str, int] = field(default_factory=dict)  # the last token of each device
    user_key_id: str | None = None
    sync_cache: dict[tuple[object, ...], bytes] = field(default_factory=dict)

    @property
    def style(self) -> ReplyStyle:
        """How replies to this account look."""
        return self.spec.reply_style

    @property
    def is_vaultwarden(self) -> bool:
        """True for both Vaultwarden styles."""
        return self.style.startswith("vaultwarden")

    def touch(self) -> None:
        """Note that the vault has changed: a later revision date, nothing cached."""
        self.revision = max(self.revision + 1, int(time.time() * 1000))
        self.sync_cache.clear()


class World:
    """All accounts of one server, and where it is reached (`url`, without a trailing slash)."""

    def __init__(self, url: str, version: str = "2026.8.0") -> None:
        """An empty server."""
        self.url = url
        self.version = version
        self.accounts: dict[str, StoredAccount] = {}
        self.default_style: ReplyStyle = "official"

    def add(self, account: StoredAccount) -> None:
        """Take an account in; errors that concern no known account have the style of the first one."""
        if not self.accounts:
            self.default_style = account.style
        self.accounts[account.user_id] = account

    def find(self, matches: Callable[[StoredAccount], bool]) -> StoredAccount | None:
        """The first account that matches."""
        return next((a for a in self.accounts.values() if matches(a)), None)

    def find_file(self, attachment_id: str) -> tuple[StoredAccount, bytes] | None:
        """The account that has the file of an attachment, and its body."""
        account = self.find(lambda a: attachment_id in a.files)
        return None if account is None else (account, account.files[attachment_id])
