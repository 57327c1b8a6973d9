"""What a session is written from, and what of it the official CLI finds in data.json."""

from __future__ import annotations

import base64
import copy
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from Crypto.PublicKey import RSA
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.base.errors import ServerError, SessionError
from bwrun.base.sensitive import Sensitive
from bwrun.crypto.account_keys import open_account_keys
from bwrun.crypto.encstring import EncString, SymmetricKey
from bwrun.crypto.parameters import Argon2id, KeyConnectorData, Pbkdf2, UnlockData, WrappedAccountKeys
from bwrun.crypto.vault_key import VaultKey, parse_key
from bwrun.login.fetching import seconds_of
from bwrun.session.contents import SessionData
from bwrun.session.data_json import write_data
from bwrun.session.opening import open_session
from bwrun.session.outer import Mark, fingerprint
from bwrun.settings.servers import find_server
from tests.server import cose
from tests.server import crypto as other
from tests.support.structs import changed

USER, ORGANIZATION, STRANGE, MINE, OURS, THEIRS, ODD, FOLDER, COLLECTION, STRANGE_COLLECTION = (
    f"{n}0000000-0000-4000-8000-000000000000" for n in range(10)
)
USER_KEY, ORGANIZATION_KEY, SESSION_KEY = bytes(range(64)), bytes(range(64, 128)), bytes(range(128, 192))
NAME, ORGANIZATION_NAME = other.encrypt(b"mine", USER_KEY), other.encrypt(b"ours", ORGANIZATION_KEY)
PRIVATE_KEY = other.encrypt(other.private_key_der(), USER_KEY)
WRAPPED = other.wrap_for_account(ORGANIZATION_KEY)
SCRAPS = st.none() | st.integers() | st.text(max_size=3)
JUNK = (
    st.booleans()
    | SCRAPS
    | st.just(NAME)
    | st.lists(SCRAPS | st.dictionaries(st.sampled_from(["id", "fileName"]), SCRAPS), max_size=2)
    | st.dictionaries(st.sampled_from(["id", "uris", "name"]), SCRAPS, max_size=2)
)


def cipher(identifier: str, organization: str | None = None, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an item of type login."""
    name = NAME if organization is None else ORGANIZATION_NAME
    return {
        "id": identifier, "type": 1, "organizationId": organization, "folderId": None, "name": name, "notes": None,
        "login": {"username": name, "password": None, "uris": [{"uri": name, "match": None}]}, "key": None,
        "revisionDate": "2026-01-01T00:00:00Z", "creationDate": "2026-01-01T00:00:00Z", "edit": True,
    } | changes  # fmt: skip


def sync(*ciphers: dict[str, Any]) -> dict[str, Any]:
    """Return a reply to /sync with one organization that opens, one that does not, and some items."""

    def organization(identifier: str, key: str) -> dict[str, Any]:
        return {"id": identifier, "name": "an organization", "key": key, "type": 2, "status": 2, "enabled": True}

    return {
        "object": "sync",
        "profile": {
            "id": USER, "email": "ada@example.com", "name": "Ada", "privateKey": PRIVATE_KEY,
            "organizations": [
                organization(ORGANIZATION, WRAPPED), organization(STRANGE, "4.AAAA")
            ],
        },
        "folders": [{"id": FOLDER, "name": NAME, "revisionDate": "2026-01-01T00:00:00Z"}],
        "collections": [
            {"id": COLLECTION, "organizationId": ORGANIZATION, "name": ORGANIZATION_NAME},
            {"id": STRANGE_COLLECTION, "organizationId": STRANGE, "name": ORGANIZATION_NAME},
        ],
        "ciphers": [cipher(MINE), cipher(OURS, ORGANIZATION), cipher(THEIRS, STRANGE), *ciphers],
    }  # fmt: skip


def pascal_case(value: Any) -> Any:  # noqa: ANN401  (JSON)
    """Return JSON as old servers send it."""
    if isinstance(value, dict):
        return {name[:1].upper() + name[1:]: pascal_case(inner) for name, inner in value.items()}
    return [pascal_case(inner) for inner in value] if isinstance(value, list) else value


def account(wrapped: WrappedAccountKeys, user_key: VaultKey | None = None) -> dict[str, Any]:
    """Return the parts of a SessionData that are an account's keys."""
    return {"keys": open_account_keys(user_key or parse_key(USER_KEY), wrapped), "wrapped_keys": wrapped}


DATA = SessionData(
    server=find_server("https://vault.example/path", None, None), device="a-device", user_id=USER,
    email="ada@example.com", access_token=Sensitive(b"a.token.x"), api_key=None,
    unlock=UnlockData(Pbkdf2(600_000), "a-salt", "2.wrapped"), **account(WrappedAccountKeys(PRIVATE_KEY)),
    key_connector_url=None, read_sync=sync, sync_date=None, sync_current=None, encoded_vault=None, server_config=None,
    note=lambda _: None,
)  # fmt: skip


def written(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  (any field)
    """Return data.json of DATA with changes."""
    if "sync" in changes:
        reply = changes.pop("sync")
        changes["read_sync"] = lambda: reply
    text = b"".join(write_data(changed(DATA, **changes), SymmetricKey.from_bytes(SESSION_KEY)))
    state: dict[str, Any] = json.loads(text)
    return state


def user(state: dict[str, Any], name: str) -> Any:  # noqa: ANN401  (JSON)
    """Return a state of the account."""
    return state[f"user_{USER}_{name}"]


def test_session_key_opens_the_user_key() -> None:
    """The user key is in the file once, in binary form, and opens with the session key."""
    buffer = base64.b64decode(written()[f"__PROTECTED__{USER}_user_auto"])
    text = "2." + "|".join(base64.b64encode(part).decode() for part in (buffer[1:17], buffer[49:], buffer[17:49]))

    assert buffer[0] == 2
    assert EncString.parse(text).decrypt(SymmetricKey.from_bytes(SESSION_KEY)) == USER_KEY


def test_items_of_known_owners() -> None:
    """Items and collections of the account and of organizations whose key opens are there; others would break all."""
    state = written()

    assert set(user(state, "ciphers_ciphers")) == {MINE, OURS}
    assert set(user(state, "collection_collections")) == {COLLECTION}
    assert set(user(state, "folder_folders")) == {FOLDER}
    assert set(user(state, "crypto_organizationKeys")) == {ORGANIZATION}
    assert set(user(state, "organizations_organizations")) == {ORGANIZATION, STRANGE}


def test_old_servers_replies_mean_the_same() -> None:
    """A sync in PascalCase gives the same vault as in camelCase, and the same account."""
    old, new = written(sync=pascal_case(sync()), user_id=None, email=None), written()

    for name in ("ciphers_ciphers", "folder_folders", "collection_collections", "crypto_organizationKeys"):
        assert user(old, name) == user(new, name)
    assert old["global_account_activeAccountId"] == USER


def test_api_key_is_there_only_if_asked_for() -> None:
    """The API key's two halves are in the session with --session-api-key, and nothing of them without."""
    with_key = written(api_key=("user.x", Sensitive(b"canary-7f3a")))

    assert user(with_key, "token_apiKeyClientId") == "user.x"
    assert user(with_key, "token_apiKeyClientSecret") == "canary-7f3a"
    assert {name for name in with_key if name not in written()} == {
        f"user_{USER}_token_apiKeyClientId", f"user_{USER}_token_apiKeyClientSecret",
    }  # fmt: skip
    assert not any("refreshtoken" in name.lower() for name in with_key)


@pytest.mark.parametrize(
    ("kdf", "expected"),
    [
        (Pbkdf2(600_000), {"kdfType": 0, "iterations": 600_000}),
        (Argon2id(3, 64, 4), {"kdfType": 1, "iterations": 3, "memory": 64, "parallelism": 4}),
    ],
)
def test_what_unlocks_is_written(kdf: Any, expected: dict[str, int]) -> None:  # noqa: ANN401  (either)
    """KDF, salt and wrapped key are there, so that `bw unlock` works inside; Argon2's memory is in MiB."""
    state = written(unlock=UnlockData(kdf, "a-salt", "2.wrapped"))

    assert user(state, "kdfConfig_kdfConfig") == expected
    assert user(state, "masterPasswordUnlock_masterPasswordUnlockKey") == {
        "salt": "a-salt", "kdf": expected, "masterKeyWrappedUserKey": "2.wrapped",
    }  # fmt: skip
    assert user(state, "token_accessToken") == "a.token.x"
    assert user(state, "vaultTimeoutSettings_vaultTimeout") == "never"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None, None), {"region": "US", "urls": None}),
        (("eu", None, None), {"region": "EU", "urls": None}),
        (
            ("gov", None, None),
            {
                "region": "Gov",
                "urls": {
                    "base": "https://vault.bitwarden-gov.com",
                    "identity": "https://identity.bitwarden-gov.com",
                    "api": "https://api.bitwarden-gov.com",
                },
            },
        ),
        (("https://v.example/x/", None, None), {"region": "Self-hosted", "urls": {"base": "https://v.example/x"}}),
        (
            (None, "https://id.example", "https://api.example"),
            {
                "region": "Self-hosted",
                "urls": {"base": None, "identity": "https://id.example", "api": "https://api.example"},
            },
        ),
        (
            ("https://v.example", "https://id.example", None),
            {
                "region": "Self-hosted",
                "urls": {"base": "https://v.example", "identity": "https://id.example", "api": "https://v.example/api"},
            },
        ),
    ],
)
def test_the_server_is_named_twice(given: tuple[str | None, ...], expected: dict[str, Any]) -> None:
    """Global and user state both name the server: else the CLI would send the token to bitwarden.com."""
    state = written(server=find_server(*given))

    assert state["global_environment_environment"] == user(state, "environment_environment") == expected


@pytest.mark.parametrize(
    "private_key",
    [None, "no key", other.spoil_mac(PRIVATE_KEY), other.encrypt(b"no key", USER_KEY)],
    ids=["none", "no EncString", "another MAC", "no PKCS#8"],
)
def test_without_a_key_pair_the_own_items_stay(private_key: str | None) -> None:
    """An account without a key pair that opens gets one that opens nothing: its own items are there, others are not."""
    state = written(**account(WrappedAccountKeys(private_key)))
    made = user(state, "crypto_accountCryptographicState")["V1"]["private_key"]

    assert user(state, "crypto_privateKey") == made
    assert RSA.import_key(EncString.parse(made).decrypt(SymmetricKey.from_bytes(USER_KEY))).has_private()
    assert set(user(state, "ciphers_ciphers")) == {MINE}
    assert user(state, "crypto_organizationKeys") == {}


def test_a_v2_account() -> None:
    """A V2 account's keys are there as the server has them, and the user key as it was wrapped."""
    key, signer = cose.Key(), cose.SigningKey()
    state_of = base64.b64encode(signer.sign1(cose.cbor({"version": 2}), 2)).decode()
    wrapped = WrappedAccountKeys(
        key.encrypt(other.private_key_der(), cose.PKCS8), key.encrypt(signer.cose_key(), cose.COSE_KEY), None, state_of
    )
    state = written(**account(wrapped, parse_key(key.padded())))
    buffer = base64.b64decode(state[f"__PROTECTED__{USER}_user_auto"])
    text = "2." + "|".join(base64.b64encode(part).decode() for part in (buffer[1:17], buffer[49:], buffer[17:49]))

    assert EncString.parse(text).decrypt(SymmetricKey.from_bytes(SESSION_KEY)) == key.padded()
    assert user(state, "crypto_accountCryptographicState") == {
        "V2": {"private_key": wrapped.private_key, "signing_key": wrapped.signing_key, "security_state": state_of}
    }
    older = {name: user(state, f"crypto_{name}") for name in ("privateKey", "userSigningKey", "accountSecurityState")}
    assert list(older.values()) == [wrapped.private_key, wrapped.signing_key, state_of]
    assert f"user_{USER}_crypto_userSignedPublicKey" not in state
    assert OURS in user(state, "ciphers_ciphers")


def test_older_clis_find_the_account() -> None:
    """What CLIs from 2024.12 to 2026.1 look for is there: the account, what `bw unlock` decrypts, the private key."""
    state = written()

    assert state[USER] == {"profile": {"userId": USER}}
    assert user(state, "masterPassword_masterKeyEncryptedUserKey") == "2.wrapped"
    assert user(state, "crypto_privateKey") == PRIVATE_KEY


def test_an_account_of_a_key_connector() -> None:
    """Without a master password there is nothing that `bw unlock` could open, and the CLI knows why."""
    state = written(unlock=KeyConnectorData(Pbkdf2(600_000), "2.wrapped"), key_connector_url="https://kc.example")

    assert user(state, "keyConnector_usesKeyConnector") is True
    assert user(state, "userDecryptionOptions_decryptionOptions") == {
        "hasMasterPassword": False,
        "keyConnectorOption": {"keyConnectorUrl": "https://kc.example"},
    }
    assert f"user_{USER}_masterPasswordUnlock_masterPasswordUnlockKey" not in state


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([*cipher("x"), "permissions", "fields", "attachments", "passwordHistory", "data", "reprompt"]), JUNK
)
def test_one_odd_item_does_not_harm_the_others(name: str, junk: object) -> None:
    """Whatever stands in one part of one item, the session is written, and the healthy items are in it unchanged."""
    state = written(sync=sync(cipher(ODD) | {name: junk}))
    items = user(state, "ciphers_ciphers")

    assert {key: items[key] for key in (MINE, OURS)} == user(written(), "ciphers_ciphers")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["folders", "collections", "organizations", "policies", "sends"]), st.text(max_size=8), JUNK)
def test_odd_records_do_not_harm_the_items(part: str, name: str, junk: object) -> None:
    """Whatever stands in a folder, collection, organization, policy or send, the items are written."""
    reply = sync()
    holder = reply["profile"] if part == "organizations" else reply
    holder.setdefault(part, []).extend(
        [{}, {name: junk}, {"id": junk}, {"id": ODD, "name": junk, "type": junk, "key": junk}]
    )

    assert set(user(written(sync=reply), "ciphers_ciphers")) == {MINE, OURS}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["profile", "ciphers", "folders", "collections", "policies", "sends", "organizations"]), JUNK)
def test_a_sync_that_is_none_is_told_as_that(part: str, junk: object) -> None:
    """A part of the sync that has another form altogether is written without, or is the server's failure."""
    reply = sync()
    (reply["profile"] if part == "organizations" else reply)[part] = junk
    try:
        state = written(sync=reply)
    except ServerError:
        return
    assert state["global_account_activeAccountId"] == USER


def test_texts_that_are_not_encrypted_are_left_out() -> None:
    """A field in plain text, which would make every read of the CLI fail, is emptied; the item stays."""
    odd = cipher(
        ODD, name="plain", login={"username": "plain", "password": NAME, "passwordRevisionDate": "2026-01-01T00:00:00Z"}
    )
    kept = user(written(sync=sync(odd)), "ciphers_ciphers")[ODD]

    assert kept["name"] is None
    assert kept["login"] == {"username": None, "password": NAME, "passwordRevisionDate": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize("changes", [{"type": 99}, {"type": None}, {"id": None}, {"id": 3}, {"key": "plain"}])
def test_items_that_cannot_be_read_are_left_out(changes: dict[str, Any]) -> None:
    """An item of an unknown type, without an id, or with a key that is none, is not in the session."""
    assert set(user(written(sync=sync(cipher(ODD) | changes)), "ciphers_ciphers")) == {MINE, OURS}


@pytest.mark.parametrize("lacking", ["id", "email"])
def test_an_account_without_a_name_is_told_as_that(lacking: str) -> None:
    """If neither the token nor the profile names the account, the reply is incomplete, and the part is named."""
    reply = sync()
    del reply["profile"][lacking]

    with pytest.raises(ServerError, match=f"lacks `{lacking}`"):
        written(sync=reply, user_id=None, email=None)
    assert written(sync=reply)["global_account_accounts"][USER]["email"] == "ada@example.com"


def test_a_sync_that_is_too_deep_is_told_as_that() -> None:
    """A reply nested deeper than Python recurses is the server's failure."""
    deep: dict[str, Any] = {}
    for _ in range(3_000):
        deep = {"A": deep}

    with pytest.raises(ServerError, match="deep"):
        written(sync=pascal_case(sync()) | {"Deep": deep})


@pytest.mark.parametrize("ahead", [-300, 0, 300])
def test_last_sync_is_not_before_the_servers(ahead: int) -> None:
    """The time of the sync is after the server's own clock, so that `bw sync` finds nothing new and asks for no key."""
    server_clock = datetime.now(UTC) + timedelta(seconds=ahead)
    written_date = user(written(sync_date=server_clock.timestamp()), "sync_lastSync")
    last = datetime.fromisoformat(written_date)

    assert written_date.endswith("Z")
    assert last >= server_clock - timedelta(milliseconds=1)
    assert last <= max(server_clock, datetime.now(UTC)) + timedelta(seconds=2)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Thu, 99 Foo 2026", "Mon, 01 Jan 9999 00:00:00 GMT", "\0"])
def test_last_sync_without_a_date_that_can_be_read(date: str | None) -> None:
    """A server without a Date header, or with an odd one, makes no failure."""
    last = user(written(sync_date=seconds_of(date)), "sync_lastSync")

    assert datetime.fromisoformat(last) >= datetime.now(UTC) - timedelta(minutes=1)


@pytest.mark.parametrize("reply", [None, [], "x", {}, {"FeatureStates": {"Pm-1": True, "a": 1}, "Version": "2026.1"}])
def test_servers_config_is_never_stale(reply: object) -> None:
    """The server's config is kept with a date that never makes the CLI fetch it; names of features stay as they are."""
    state = written(server_config=reply)
    config = user(state, "config_serverConfig")

    assert config["utcDate"].startswith("9999-")
    assert state["global_config_byServer"] == {"https://vault.example/path/api": config}
    if isinstance(reply, dict) and reply:
        assert config["featureStates"] == {"Pm-1": True, "a": 1}
        assert config["version"] == "2026.1"


def test_nothing_is_reported_to_strangers() -> None:
    """Where the server has no base URL, no organization has accesses reported: the CLI would tell bitwarden.com."""
    reply = sync()
    for one in reply["profile"]["organizations"]:
        one["useEvents"] = True
    apart = find_server(None, "https://id.example", "https://api.example")

    def wanting(state: dict[str, Any]) -> set[bool]:
        return {one["useEvents"] for one in user(state, "organizations_organizations").values()}

    assert wanting(written(sync=copy.deepcopy(reply))) == {True}
    assert wanting(written(sync=reply, server=apart)) == {False}


def test_odd_text_is_written_as_json() -> None:
    """Names with lone surrogates and in every script are written as ASCII JSON, which reads back the same."""
    reply = sync()
    reply["profile"]["name"] = "Ada \ud800 \x00 日本"

    assert written(sync=reply)["global_account_accounts"][USER]["name"] == "Ada \ud800 \x00 日本"


def test_opening_a_session(tmp_path: Path) -> None:
    """Opening writes private files alone, marks whose session it is, and gives the variables that lead to it."""
    before = os.umask(0)
    try:
        variables = open_session(str(tmp_path), DATA, "user.x", ())
    finally:
        os.umask(before)

    assert variables.keys() == {"BW_SESSION", "BITWARDENCLI_APPDATA_DIR"}
    assert variables["BITWARDENCLI_APPDATA_DIR"] == str(tmp_path)
    assert len(base64.b64decode(variables["BW_SESSION"])) == 64
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {
        "data.json": 0o600, "session": 0o600,
    }  # fmt: skip
    mark = Mark.from_bytes((tmp_path / "session").read_bytes())
    assert mark is not None
    assert (mark.fingerprint, mark.client_id) == (fingerprint(variables["BW_SESSION"]), "user.x")
    assert (mark.identity, mark.api) == ("https://vault.example/path/identity", "https://vault.example/path/api")
    assert not mark.has_api_key
    assert variables["BW_SESSION"].encode() not in (tmp_path / "session").read_bytes()


def test_each_session_has_a_key_of_its_own(tmp_path: Path) -> None:
    """Two sessions of the same account have different keys."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    keys = {open_session(str(tmp_path / name), DATA, "user.x", ())["BW_SESSION"] for name in ("one", "other")}

    assert len(keys) == 2


@pytest.mark.parametrize("kind", ["link", "file"])
def test_opening_takes_no_file_that_is_there(tmp_path: Path, kind: str) -> None:
    """A file or a link that somebody put into the directory first is not written through."""
    target = tmp_path / "target"
    target.write_text("as it was")
    session = tmp_path / "session"
    session.mkdir()
    if kind == "link":
        (session / "data.json").symlink_to(target)
    else:
        (session / "data.json").hardlink_to(target)

    with pytest.raises(SessionError) as caught:
        open_session(str(session), DATA, "user.x", ())
    assert caught.value.code == "session.write"
    assert target.read_text() == "as it was"


def test_ca_files_are_handed_on(tmp_path: Path) -> None:
    """One CA file is named as it is; several are joined into one in the session, for Node reads one alone."""
    for name in ("one", "two", "single", "joined"):
        (tmp_path / name).mkdir() if name in ("single", "joined") else (tmp_path / name).write_text(f"{name}")
    one, two = str(tmp_path / "one"), str(tmp_path / "two")

    assert open_session(str(tmp_path / "single"), DATA, "user.x", (one,))["NODE_EXTRA_CA_CERTS"] == one
    joined = open_session(str(tmp_path / "joined"), DATA, "user.x", (one, two))["NODE_EXTRA_CA_CERTS"]
    assert Path(joined).read_text() == "one\ntwo"
    assert Path(joined).parent == tmp_path / "joined"
