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
from contextlib import suppress

from bwrun.base.errors import BwrunError
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.crypto.account_keys import V1, AccountKeys
from bwrun.crypto.asymmetric import PrivateKey
from bwrun.crypto.parameters import WrappedAccountKeys
from bwrun.crypto.rekeying import rekey
from bwrun.crypto.vault_key import AesKey, VaultKey
from bwrun.references.fields import MEMBERS
from bwrun.session.contents import NoUnlockData, SessionData
from bwrun.session.readable import is_encrypted
from bwrun.vault.places import as_list, lower_id
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

    def rekey(self, texts: Collection[str], keys: Collection[str]) -> dict[str, str]:
        """
        Return the EncStrings under the new key, by what they were; `keys` are those that contain a key.

        Those that the old key does not decrypt are left out.
        """
        if isinstance(self.old, AesKey):
            return rekey([*texts, *keys], self.old.symmetric_key, self.new.symmetric_key)
        found = {}
        for text in texts:
            with suppress(BwrunError):
                found[text] = self.new.encrypt_text(self.old.decrypt_text(text))
        for text in keys:
            with suppress(BwrunError):
                found[text] = self.new.wrap_key(self.old.unwrap_key(text))
        return found


def limit_session(data: SessionData, ids: Collection[str], key_pair: KeyPair) -> SessionData:
    """
    Return a session with the items that have these `ids` (in lower case), and with the places that they are in.

    Raises ServerError: the server's replies lack something that the session needs.
    """
    sync = sync_of(data.sync)
    user = Owner(data.keys.user_key, AesKey.make())
    items = [_without_leftovers(with_typed_fields(one)) for one in _in(sync.get("ciphers"), ids)]
    organizations = _organizations(organizations_of(sync), items, data.keys)
    owners = {identity: owner for identity, (_, owner) in organizations.items()}

    def owner_of(record: Record) -> Owner | None:
        identity = record.get("organizationId")
        return user if identity in ABSENT else owners.get(lower_id(identity))

    places = {lower_id(one.get("folderId")) for one in items}
    for one in items:
        places.update(map(lower_id, as_list(one.get("collectionIds"))))
    limited: Record = {
        "profile": {
            **{name: value for name, value in profile_of(sync).items() if name in PROFILE},
            "organizations": [
                record | {"key": key_pair.wrap_organization_key(owner.new.symmetric_key), "useEvents": False}
                for record, owner in organizations.values()
            ],
        },
        "ciphers": _encrypt_all(items, owner_of, _parts_of_item),
        "folders": _encrypt_all(_in(sync.get("folders"), places), lambda _: user, _parts_of_place),
        "collections": _encrypt_all(_in(sync.get("collections"), places), owner_of, _parts_of_place),
        "policies": [one for one in _objects(sync.get("policies")) if lower_id(one.get("organizationId")) in owners],
    }
    return SessionData(
        server=data.server,
        user_id=data.user_id,
        email=data.email,
        sync_date=data.sync_date,
        sync_current=data.sync_current,
        server_config=data.server_config,
        note=data.note,
        device=str(uuid.uuid4()),
        access_token=_dead_token(data, profile_of(sync)),
        api_key=None,
        unlock=NoUnlockData(data.unlock.kdf),
        keys=AccountKeys(user.new, lambda: key_pair, V1),
        wrapped_keys=WrappedAccountKeys(key_pair.wrap(user.new.symmetric_key)),
        key_connector_url=None,
        read_sync=lambda: limited,
        encoded_vault=None,
    )


def _organizations(found: object, items: list[Record], keys: AccountKeys) -> dict[str, tuple[Record, Owner]]:
    """Return the organizations of `items` by id: their records, and their keys. One whose key does not open is left."""
    wanted = {lower_id(one.get("organizationId")) for one in items}
    organizations = {}
    for record in _objects(found):
        identity, wrapped = lower_id(record.get("id")), record.get("key")
        if identity not in wanted or not isinstance(wrapped, str):
            continue
        try:
            old = keys.unwrap_organization_key(wrapped)
        except BwrunError:
            continue
        organizations[identity] = record, Owner(old, AesKey.make())
    return organizations


def _encrypt_all(
    records: list[Record], owner_of: Callable[[Record], Owner | None], parts_of: Callable[[Record], Record]
) -> list[Record]:
    """
    Return the records with their EncStrings under the new keys of their owners.

    `parts_of` returns what of a record its owner's key encrypts. Records whose owner has no key are left out. An
    EncString that the old key does not decrypt stays as it is: the new key does not decrypt it either, and the CLI says
    of it what it would say in a whole session.
    """
    owned = [(record, parts_of(record), owner) for record in records if (owner := owner_of(record)) is not None]
    texts: dict[Owner, tuple[list[str], list[str]]] = {}
    for _, parts, owner in owned:
        _collect(parts, *texts.setdefault(owner, ([], [])))
    replaced = {owner: owner.rekey(*found) for owner, found in texts.items()}
    return [record | _replace(parts, replaced[owner]) for record, parts, owner in owned]


def _parts_of_place(record: Record) -> Record:
    return {"name": record.get("name")}


def _parts_of_item(record: Record) -> Record:
    """Return what the owner's key encrypts: the item's own key, or, if it has none, all that is encrypted."""
    if record.get("key") not in ABSENT:
        return {"key": record["key"]}
    parts = {name: record[name] for name in ENCRYPTED_PARTS if record.get(name) is not None}
    if has_blob(record):
        parts["data"] = Blob(json.loads(str(record["data"])))
    return parts


class Blob(dict[str, object]):
    """The parsed `data` of a blob item, in which only the key is encrypted with the item's key."""


def _collect(value: object, texts: list[str], keys: list[str], name: str = "") -> None:
    """Add the EncStrings in `value`, at any depth, to `texts`, and those that contain a key to `keys`."""
    if isinstance(value, Blob):
        _collect(value.get("wrapped_cek"), texts, keys, "key")
    elif isinstance(value, dict):
        for inner_name, inner in value.items():
            _collect(inner, texts, keys, inner_name)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner, texts, keys)
    elif isinstance(value, str) and is_encrypted(value):
        (keys if name == "key" else texts).append(value)


def _replace(value: Record, replaced: Mapping[str, str]) -> Record:
    """Return `value` with its EncStrings replaced, at any depth."""
    return {name: _replace_one(inner, replaced) for name, inner in value.items()}


def _replace_one(value: object, replaced: Mapping[str, str]) -> object:
    if isinstance(value, str):
        return replaced.get(value, value)
    if isinstance(value, Blob):
        return json.dumps(_replace(value, replaced))
    if isinstance(value, dict):
        return _replace(value, replaced)
    return [_replace_one(inner, replaced) for inner in value] if isinstance(value, list) else value


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


def _without_leftovers(item: Record) -> Record:
    """Return an item without the members that repeat its fields in another form."""
    return {name: value for name, value in item.items() if name != "partialData" and (name != "data" or has_blob(item))}


def _in(records: object, ids: Collection[str]) -> list[Record]:
    return [one for one in _objects(records) if lower_id(one.get("id")) in ids]


def _objects(value: object) -> list[Record]:
    return [one for one in as_list(value) if isinstance(one, dict)]
