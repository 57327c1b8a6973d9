"""What a test asks for: accounts, organizations and items, in clear.

These are plain values; `tests.server.accounts` turns them into what a server stores (everything encrypted).
Field names in snake_case become the wire's camelCase names (protocol: bitwarden/server
src/Api/Vault/Models/Response/CipherResponseModel.cs).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.server.json_types import JsonValue

# "announced": what the official server is about to send, without what its sources call obsolete or deprecated
# (bitwarden/server #6354, #6773, #7627): items have `data` alone, the login's reply and the profile the newer names.
ReplyStyle = Literal["official", "vaultwarden", "vaultwarden-1.35", "pascal", "camel", "announced"]


@dataclass(frozen=True)
class Pbkdf2:
    """KdfType 0; `iterations` of HMAC-SHA256."""

    iterations: int = 600_000


@dataclass(frozen=True)
class Argon2id:
    """KdfType 1; `memory_mib` in MiB, as on the wire (the algorithm takes KiB)."""

    iterations: int = 6
    memory_mib: int = 32
    parallelism: int = 4


@dataclass(frozen=True)
class Uri:
    """One address of a login; `match` is UriMatchType 0-5, `checksum` says what goes into uriChecksum."""

    uri: str
    match: int | None = None
    checksum: Literal["good", "wrong", "none"] = "good"


@dataclass(frozen=True)
class Login:
    """Cipher type 1."""

    username: str | None = None
    password: str | None = None
    totp: str | None = None
    uris: tuple[Uri, ...] = ()


@dataclass(frozen=True)
class SecureNote:
    """Cipher type 2; the text is ItemSpec.notes."""


@dataclass(frozen=True)
class Card:
    """Cipher type 3."""

    cardholder_name: str | None = None
    brand: str | None = None
    number: str | None = None
    exp_month: str | None = None
    exp_year: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Identity:
    """Cipher type 4."""

    title: str | None = None
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    address1: str | None = None
    address2: str | None = None
    address3: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    company: str | None = None
    email: str | None = None
    phone: str | None = None
    ssn: str | None = None
    username: str | None = None
    passport_number: str | None = None
    license_number: str | None = None


@dataclass(frozen=True)
class SshKey:
    """Cipher type 5; servers hide it from clients older than 2024.12.0."""

    private_key: str
    public_key: str
    key_fingerprint: str


@dataclass(frozen=True)
class BankAccount:
    """Cipher type 6; shown to clients from 2026.2.0 on."""

    bank_name: str | None = None
    name_on_account: str | None = None
    account_type: str | None = None
    account_number: str | None = None
    routing_number: str | None = None
    branch_number: str | None = None
    pin: str | None = None
    swift_code: str | None = None
    iban: str | None = None
    bank_contact_phone: str | None = None


@dataclass(frozen=True)
class DriversLicense:
    """Cipher type 7; shown to clients from 2026.2.0 on."""

    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    date_of_birth: str | None = None
    license_number: str | None = None
    issuing_country: str | None = None
    issuing_state: str | None = None
    issue_date: str | None = None
    expiration_date: str | None = None
    issuing_authority: str | None = None
    license_class: str | None = None


@dataclass(frozen=True)
class Passport:
    """Cipher type 8; shown to clients from 2026.2.0 on."""

    surname: str | None = None
    given_name: str | None = None
    date_of_birth: str | None = None
    sex: str | None = None
    birth_place: str | None = None
    nationality: str | None = None
    issuing_country: str | None = None
    passport_number: str | None = None
    passport_type: str | None = None
    national_identification_number: str | None = None
    issuing_authority: str | None = None
    issue_date: str | None = None
    expiration_date: str | None = None


Content = Login | SecureNote | Card | Identity | SshKey | BankAccount | DriversLicense | Passport


@dataclass(frozen=True)
class FieldSpec:
    """A custom field: `type` 0 text, 1 hidden, 2 boolean ("true"/"false"), 3 linked (no value, a linked_id)."""

    name: str | None
    value: str | None = None
    type: int = 0
    linked_id: int | None = None


@dataclass(frozen=True)
class AttachmentSpec:
    """A file; without `own_key` its body is encrypted directly under the item's key, as very old ones are."""

    file_name: str
    content: bytes
    own_key: bool = True


@dataclass(frozen=True)
class PasswordHistorySpec:
    """One former password; `last_used_date` is ISO 8601."""

    password: str
    last_used_date: str = "2025-01-02T03:04:05.000000Z"


@dataclass(frozen=True)
class ItemSpec:
    """One vault item.

    `folder`, `organization` and `collections` are names; an unknown folder is made.  `own_key` gives the item its
    own cipher key.  `blob` seals name, notes, fields and all of the content into `data`, as V2 accounts have it.
    `leased` withholds the contents: a sync has the name and addresses alone (bitwarden/server #8114, #8115), and so has
    the item alone unless it is "granted".
    `tamper` names encrypted fields whose MAC is spoilt, e.g. "name", "login.password", "key", "data" of a blob.
    """

    name: str
    content: Content = SecureNote()
    notes: str | None = None
    fields: tuple[FieldSpec, ...] = ()
    favorite: bool = False
    reprompt: bool = False
    folder: str | None = None
    organization: str | None = None
    collections: tuple[str, ...] = ()
    own_key: bool = False
    blob: bool = False
    attachments: tuple[AttachmentSpec, ...] = ()
    password_history: tuple[PasswordHistorySpec, ...] = ()
    trashed: bool = False
    archived: bool = False
    view_password: bool = True
    edit: bool = True
    id: str | None = None
    leased: Literal["no", "yes", "granted"] = "no"
    tamper: tuple[str, ...] = ()


@dataclass(frozen=True)
class OrganizationSpec:
    """An organization the account is a confirmed member of; `key_usable` False spoils its RSA-wrapped key."""

    name: str
    enabled: bool = True
    collections: tuple[str, ...] = ()
    id: str | None = None
    key_usable: bool = True


@dataclass(frozen=True)
class AccountSpec:
    """One account and its vault.

    - `salt`: what the server says the salt is; None = the e-mail address, trimmed and lower-cased.
    - `token_lifetime`: seconds; None = 3600 (7200 for the vaultwarden styles).
    - `takes_expired_tokens`: a short lifetime is only said: on a busy machine nothing has to be done within it.
    - `master_password_set` False: an account without a master password (no Key in the reply).
    - `key_connector`: HasMasterPassword false and ApiUseKeyConnector true; the user key is wrapped by a key that
      GET {url}/key-connector/user-keys gives.
    - `v2`: an account with V2 encryption: an XAES-256-GCM user key, and keys signed with Ed25519.
    - `xchacha20`: the user key of a V2 account is one for XChaCha20-Poly1305, as clients made them in 2025.
    - `sdk`: what sdk_account.js made, which is then all of the account: keys, folders and items.
    - `legacy_user_key`: the user key as a type-0 EncString under the raw 32-byte master key.
    - `drop_fields`: names left out of the token, sync and profile replies, at any depth, in any letter case.
    - `one_token_per_device`: a login ends the older tokens of the same device, as on NodeWarden.
    - `user_key_id_endpoint` False: POST accounts/key-management/user-key-id is 404, as on Vaultwarden.
    """

    email: str
    master_password: str
    kdf: Pbkdf2 | Argon2id = Pbkdf2()
    salt: str | None = None
    name: str = "Test User"
    client_id: str | None = None
    client_secret: str | None = None
    premium: bool = True
    reply_style: ReplyStyle = "official"
    token_lifetime: int | None = None
    takes_expired_tokens: bool = False
    master_password_set: bool = True
    key_connector: bool = False
    v2: bool = False
    xchacha20: bool = False
    sdk: Mapping[str, JsonValue] | None = field(default=None, repr=False)
    legacy_user_key: bool = False
    force_password_reset: bool = False
    disabled: bool = False
    drop_fields: tuple[str, ...] = ()
    one_token_per_device: bool = False
    user_key_id_endpoint: bool = True
    folders: tuple[str, ...] = ()
    organizations: tuple[OrganizationSpec, ...] = ()
    items: tuple[ItemSpec, ...] = ()
