"""
A whole recorded conversation with a real Vaultwarden: login, sync, session.

Its account has 1,000 PBKDF2 iterations, fewer than a client should accept, so the cost is let through by name.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from Crypto.Cipher import AES, PKCS1_OAEP
from Crypto.PublicKey import RSA

from bwrun.base.errors import CryptoError, WrongMasterPasswordError
from bwrun.base.sensitive import Sensitive
from bwrun.credentials.found import ApiKey, Credentials
from bwrun.crypto.account_keys import open_account_keys, unwrap_user_key
from bwrun.crypto.parameters import Pbkdf2, UnlockData
from bwrun.login.token import Login, read_login
from bwrun.network.answer import Answer
from bwrun.session.contents import SessionData
from bwrun.session.opening import open_session
from bwrun.settings.servers import find_server

SERVER = find_server("https://localhost:1", None, None)  # nobody answers there: what is read is in the session
CREDENTIALS = Credentials(ApiKey("user.x", Sensitive(b"x")), Sensitive(b"x"), "a", "b", "c")


class Recorded(NamedTuple):
    """The recording, and what its makers say is right."""

    token: dict[str, Any]
    sync: dict[str, Any]
    config: dict[str, Any]
    password: str
    user_key: bytes
    private_key: RSA.RsaKey

    @property
    def login(self) -> Login:
        """What is made of the reply to the login."""
        return read_login(Answer(200, {}, self.token), CREDENTIALS, SERVER)

    @property
    def organization_keys(self) -> dict[str, bytes]:
        """The organizations' keys, opened by pycryptodome."""
        opener = PKCS1_OAEP.new(self.private_key)
        return {
            one["id"]: opener.decrypt(base64.b64decode(one["key"].removeprefix("4.")))
            for one in self.sync["profile"]["organizations"]
        }


class Session(NamedTuple):
    """A session that was written."""

    directory: Path
    variables: dict[str, str]
    state: dict[str, Any]

    def user(self, name: str) -> Any:  # noqa: ANN401  (JSON)
        """Return a state of the account."""
        return self.state[f"user_94901a39-c703-4a49-ad21-a442b2d74826_{name}"]


@pytest.fixture(scope="module")
def recorded(vectors: Path) -> Recorded:
    """Return the recorded replies."""
    folder = vectors / "vaultwarden-recorded"

    def read(name: str) -> dict[str, Any]:
        reply: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
        return reply

    known = read("go_vectors")["fixture_accounts"]
    sync, token = read("test-pbkdf_GET_api_sync"), read("test-pbkdf_POST_identity_connect_token")
    user_key = base64.b64decode(known["EncryptionKey_b64"])
    private_key = RSA.import_key(decrypt(token["PrivateKey"], user_key))
    return Recorded(token, sync, read("test-pbkdf_GET_api_config"), known["password"], user_key, private_key)


@pytest.fixture
def session(recorded: Recorded, tmp_path: Path) -> Session:
    """Write the session of the recorded replies."""
    login = recorded.login
    user_key = unwrap_user_key(unlock_data(login), Sensitive(recorded.password.encode()), testing_any_cost=True)
    data = SessionData(
        server=SERVER, device="7a6f0d3c-0000-4000-8000-000000000000", user_id=login.user_id, email=login.email,
        access_token=login.access_token, api_key=None, unlock=login.unlock,
        keys=open_account_keys(user_key, login.account_keys),
        wrapped_keys=login.account_keys, key_connector_url=None, read_sync=lambda: recorded.sync, sync_date=None,
        sync_current=None, encoded_vault=None,
        server_config=recorded.config, note=lambda _: None,
    )  # fmt: skip
    variables = open_session(str(tmp_path), data, "user.x", ())
    return Session(tmp_path, variables, json.loads((tmp_path / "data.json").read_bytes()))


def opened(key: bytes, iv: bytes, data: bytes, mac: bytes) -> bytes:
    """Verify and decrypt with other code than ours."""
    assert hmac.digest(key[32:], iv + data, "sha256") == mac
    padded = AES.new(key[:32], AES.MODE_CBC, iv).decrypt(data)
    return padded[: -padded[-1]]


def decrypt(text: str, key: bytes) -> bytes:
    """Decrypt an EncString of type 2 with other code than ours."""
    assert text.startswith("2.")
    return opened(key, *map(base64.b64decode, text[2:].split("|")))


def decrypt_buffer(text: str, key: bytes) -> bytes:
    """Decrypt a value in binary form, as the CLI keeps the user key, with other code than ours."""
    buffer = base64.b64decode(text)
    assert buffer[0] == 2
    return opened(key, buffer[1:17], buffer[49:], buffer[17:49])


def test_login_is_read(recorded: Recorded) -> None:
    """The reply to the login gives the account, its KDF, the token, and the key that the master key wraps."""
    login = recorded.login

    assert (login.user_id, login.email) == (recorded.sync["profile"]["id"], "test-pbkdf@laverse.net")
    assert login.access_token.reveal().decode() == recorded.token["access_token"]
    assert login.lifetime == 7200
    assert login.unlock.kdf == Pbkdf2(1000)
    unlock = unlock_data(login)
    assert (unlock.salt, unlock.master_key_wrapped_user_key) == (login.email, recorded.token["Key"])
    assert login.account_keys.private_key == recorded.token["PrivateKey"]
    assert not login.force_password_reset


def unlock_data(login: Login) -> UnlockData:
    """Return what the vault is unlocked with: a master password."""
    assert isinstance(login.unlock, UnlockData)
    return login.unlock


def test_user_key_opens(recorded: Recorded) -> None:
    """The master password opens the user key that the recording's makers know; another one is wrong."""
    unlock = unlock_data(recorded.login)

    assert unwrap_user_key(unlock, Sensitive(recorded.password.encode()), testing_any_cost=True).encode() == (
        recorded.user_key
    )
    with pytest.raises(WrongMasterPasswordError):
        unwrap_user_key(unlock, Sensitive(b"test12341235"), testing_any_cost=True)


def test_cost_of_the_recording_is_refused(recorded: Recorded) -> None:
    """Without the tests' leave, 1,000 iterations are refused as a downgrade."""
    with pytest.raises(CryptoError, match="1000"):
        unwrap_user_key(unlock_data(recorded.login), Sensitive(recorded.password.encode()))


def test_session_key_alone_opens_the_user_key(recorded: Recorded, session: Session) -> None:
    """The user key in the session opens with BW_SESSION, as other code reads it, and with no other key."""
    stored = session.state[f"__PROTECTED__{recorded.sync['profile']['id']}_user_auto"]

    assert decrypt_buffer(stored, base64.b64decode(session.variables["BW_SESSION"])) == recorded.user_key
    with pytest.raises(AssertionError):
        decrypt_buffer(stored, recorded.user_key)


def test_session_holds_all_that_was_synced(recorded: Recorded, session: Session) -> None:
    """Every item, folder, collection and organization of the sync is in the session, under its own id."""
    sync = recorded.sync
    states = {
        "ciphers_ciphers": sync["ciphers"],
        "folder_folders": sync["folders"],
        "collection_collections": sync["collections"],
        "organizations_organizations": sync["profile"]["organizations"],
        "crypto_organizationKeys": sync["profile"]["organizations"],
    }

    assert {name: set(session.user(name)) for name in states} == {
        name: {one["id"] for one in entries} for name, entries in states.items()
    }
    assert min(map(len, states.values())) > 1


def test_all_in_the_session_opens(recorded: Recorded, session: Session) -> None:
    """Every name in the session opens with the keys in it, as other code opens them, to what the sync has."""
    organization_keys = recorded.organization_keys
    names = []
    for one in (*session.user("ciphers_ciphers").values(), *session.user("collection_collections").values()):
        owner = one["organizationId"]
        key = recorded.user_key if owner is None else organization_keys[owner]
        names.append(decrypt(one["name"], decrypt(one["key"], key) if one.get("key") else key))
    names += [decrypt(one["name"], recorded.user_key) for one in session.user("folder_folders").values()]
    for owner, wrapped in session.user("crypto_organizationKeys").items():
        opener = PKCS1_OAEP.new(recorded.private_key)
        assert opener.decrypt(base64.b64decode(wrapped["key"][2:])) == organization_keys[owner]
    for item in recorded.sync["ciphers"]:
        assert session.user("ciphers_ciphers")[item["id"]]["login"]["username"] == item["login"]["username"]

    assert len(names) == 8
    assert all(name.decode().isprintable() for name in names)


def test_session_holds_no_password(recorded: Recorded, session: Session) -> None:
    """Neither the master password, nor a refresh token, nor the plain user key or session key is in the session."""
    written = b"".join(path.read_bytes() for path in session.directory.iterdir())

    assert recorded.password.encode() not in written
    assert recorded.token["refresh_token"].encode() not in written
    assert base64.b64encode(recorded.user_key) not in written
    assert session.variables["BW_SESSION"].encode() not in written


@pytest.mark.official_cli
def test_official_cli_lists_all_items(recorded: Recorded, session: Session, official_bw: Path) -> None:
    """The official CLI opens every recorded item from the session alone, with an access token that expired long ago."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(session.directory),
        "BW_NOINTERACTION": "true",
        **session.variables,
    }
    done = subprocess.run([official_bw, "list", "items"], env=environment, check=False, capture_output=True)

    assert (done.returncode, done.stderr) == (0, b"")
    items = {item["id"]: item for item in json.loads(done.stdout)}
    keys: dict[str | None, bytes] = {None: recorded.user_key}
    keys.update(recorded.organization_keys)
    for item in recorded.sync["ciphers"]:
        key = decrypt(item["key"], keys[item["organizationId"]])
        listed = items.pop(item["id"])
        assert listed["name"] == decrypt(item["name"], key).decode()
        assert listed["login"]["username"] == decrypt(item["login"]["username"], key).decode()
    assert items == {}
