"""
A session that holds only some items of the vault, under keys of its own.

What such a session cannot do is a matter of keys: it contains no key of the account and no token that a server takes.
bwrun makes a user key, organization keys and a key pair for this session alone.  The chosen items are encrypted anew
with them: of an item with a key of its own only that key, of any other item each text.  So whoever has the session's
files and BW_SESSION can read the chosen items, and nothing else of the vault, even with a copy of all that the server
has.  (The own key of a chosen item decrypts that item there, too.)

A V2 account becomes a V1 account in the session: its security state is signed, and its keys would be needed for that.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Collection, Mapping

from bwrun.base.errors import BwrunError
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.crypto.account_keys import V1, AccountKeys
from bwrun.crypto.asymmetric import PrivateKey
from bwrun.crypto.parameters import WrappedAccountKeys
from bwrun.crypto.vault_key import AesKey, VaultKey
from bwrun.references.fields import MEMBERS
from bwrun.session.contents import NoUnlockData, SessionData
from bwrun.session.readable import is_encrypted
from bwrun.vault.sync import organizations_of, profile_of, sync_of
from bwrun.vault.typed_fields import has_blob, with_typed_fields

Record = dict[str, object]

KEY_PAIR_BITS = 1024  # it wraps keys that stand beside it in the same file, and the CLI takes it
LONG_DEAD = 1  # seconds since the epoch: when the session's token ended
PROFILE = ("id", "email", "name", "premium", "premiumFromOrganization")  # what the session keeps of it
ENCRYPTED_PARTS = ("name", "notes", "fields", "passwordHistory", "attachments", *MEMBERS.values())
ABSENT = (None, "")

KeyPair = PrivateKey  # the account's own one in such a session


def make_key_pair() -> KeyPair:
    """Make the key pair of a limited session, which takes about 20 ms: do it while something else is waited for."""
    return PrivateKey.make(KEY_PAIR_BITS)


class Owner(Struct):
    """The account or an organization: the key that it has, and the one that it has in the session."""

    old: VaultKey
    new: AesKey


def limit_session(data: SessionData, ids: Collection[str], key_pair: KeyPair) -> SessionData:
    """
    Return a session with the items that have these `ids` (in lower case), and with the places that they are in.

    Raises ServerError: the server's replies lack something that the session needs.
    """
    sync = sync_of(data.sync)
    user = Owner(data.keys.user_key, AesKey.make())
    items = [with_typed_fields(one) for one in _objects(sync.get("ciphers")) if _id(one.get("id")) in ids]
    organizations = _organizations(organizations_of(sync), items, data.keys)
    owners = {identity: owner for identity, (_, owner) in organizations.items()}

    def owner_of(record: Record) -> Owner | None:
        identity = record.get("organizationId")
        return user if identity in ABSENT else owners.get(_id(identity))

    places = {_id(one.get("folderId")) for one in items}
    for one in items:
        places.update(map(_id, _list(one.get("collectionIds"))))
    return SessionData(
        server=data.server,
        user_id=data.user_id,
        email=data.email,
        sync_date=data.sync_date,
        server_config=data.server_config,
        note=data.note,
        device=str(uuid.uuid4()),
        access_token=_dead_token(data, profile_of(sync)),
        api_key=None,
        unlock=NoUnlockData(data.unlock.kdf),
        keys=AccountKeys(user.new, key_pair, V1),
        wrapped_keys=WrappedAccountKeys(key_pair.wrap(user.new.symmetric_key)),
        key_connector_url=None,
        sync={
            "profile": {
                **{name: value for name, value in profile_of(sync).items() if name in PROFILE},
                "organizations": [
                    record | {"key": key_pair.wrap_organization_key(owner.new.symmetric_key), "useEvents": False}
                    for record, owner in organizations.values()
                ],
            },
            "ciphers": _encrypt_all(items, owner_of, _encrypt_item),
            "folders": _encrypt_all(_in(sync.get("folders"), places), lambda _: user, _encrypt_name),
            "collections": _encrypt_all(_in(sync.get("collections"), places), owner_of, _encrypt_name),
            "policies": [one for one in _objects(sync.get("policies")) if _id(one.get("organizationId")) in owners],
        },
    )


def _organizations(found: object, items: list[Record], keys: AccountKeys) -> dict[str, tuple[Record, Owner]]:
    """Return the organizations of `items` by id: their records, and their keys. One whose key does not open is left."""
    wanted = {_id(one.get("organizationId")) for one in items}
    organizations = {}
    for record in _objects(found):
        identity, wrapped = _id(record.get("id")), record.get("key")
        if identity not in wanted or not isinstance(wrapped, str):
            continue
        try:
            old = keys.unwrap_organization_key(wrapped)
        except BwrunError:
            continue
        organizations[identity] = record, Owner(old, AesKey.make())
    return organizations


def _encrypt_all(
    records: list[Record], owner_of: Callable[[Record], Owner | None], encrypt: Callable[[Record, Owner], Record]
) -> list[Record]:
    """Return the records under the new keys of their owners. Those whose owner has no key are left out."""
    return [encrypt(record, owner) for record in records if (owner := owner_of(record)) is not None]


def _encrypt_name(record: Record, owner: Owner) -> Record:
    return record | {"name": _encrypted(record.get("name"), owner)}


def _encrypt_item(record: Record, owner: Owner) -> Record:
    """Return an item under its owner's new key: with its own key wrapped anew, or with its texts encrypted anew."""
    kept = {name: value for name, value in record.items() if name != "partialData"}
    wrapped = record.get("key")
    if wrapped not in ABSENT:
        return kept | {"key": _wrapped(wrapped, owner)}
    changed = {name: _encrypted(kept[name], owner) for name in ENCRYPTED_PARTS if kept.get(name) is not None}
    if has_blob(record):
        blob = json.loads(str(record["data"]))
        blob["wrapped_cek"] = _wrapped(blob.get("wrapped_cek"), owner)
        changed["data"] = json.dumps(blob)
    return kept | changed


def _encrypted(value: object, owner: Owner) -> object:
    """
    Return a value whose EncStrings, at any depth, are encrypted with the new key; all else stays as it is.

    An EncString that the old key does not decrypt stays, too: the new key does not decrypt it either, and the CLI says
    of it what it would say in a whole session.
    """
    if isinstance(value, dict):
        return {
            name: _wrapped(inner, owner) if name == "key" else _encrypted(inner, owner) for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_encrypted(inner, owner) for inner in value]
    if not is_encrypted(value):
        return value
    try:
        return owner.new.encrypt_text(owner.old.decrypt_text(str(value)))
    except BwrunError:
        return value


def _wrapped(value: object, owner: Owner) -> object:
    """Return a wrapped key under the new key; what is no wrapped key, or cannot be decrypted, stays as it is."""
    if not isinstance(value, str):
        return value
    try:
        return owner.new.wrap_key(owner.old.unwrap_key(value))
    except BwrunError:
        return value


def _dead_token(data: SessionData, profile: Mapping[str, object]) -> Sensitive:
    """
    Return an access token that no server takes: it is not signed, and ended in 1970.

    The CLI reads who is logged in from its token, and needs no more of it as long as it asks no server.
    """
    claims = {
        "nbf": 0,
        "exp": LONG_DEAD,
        "sub": data.user_id or profile.get("id"),
        "email": data.email or profile.get("email"),
        "email_verified": True,
        "premium": bool(profile.get("premium")),
    }
    header = {"alg": "none", "typ": "JWT"}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    return Sensitive(b".".join([*parts, b""]))


def _in(records: object, ids: Collection[str]) -> list[Record]:
    return [one for one in _objects(records) if _id(one.get("id")) in ids]


def _objects(value: object) -> list[Record]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _id(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""
