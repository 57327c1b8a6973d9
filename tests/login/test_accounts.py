"""Every kind of account opens: both KDFs, replies of old and new servers, salts, keys of long ago."""

from __future__ import annotations

import base64
import hmac
import json
import time
from dataclasses import replace

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad

from tests.login.test_login_failures import AT_ONCE, CHEAP, CHEAP_ARGON2, PASSWORD, TOKEN, fail, messages
from tests.server.accounts import make_account
from tests.server.control import Account, BitwardenServer
from tests.server.faults import Fault, Status
from tests.server.json_types import Json
from tests.server.replies import token_reply
from tests.server.specs import (
    AccountSpec,
    Argon2id,
    Card,
    ItemSpec,
    Login,
    OrganizationSpec,
    Pbkdf2,
    ReplyStyle,
    SshKey,
)
from tests.support.program import Surroundings

STYLES: list[ReplyStyle] = ["official", "vaultwarden", "vaultwarden-1.35", "pascal", "camel", "announced"]
SHOW = ("--", "sh", "-c", 'echo "$BW_SESSION"; cat "$BITWARDENCLI_APPDATA_DIR/data.json"')
VAULT = AccountSpec(
    "ada@example.com",
    PASSWORD,
    kdf=CHEAP,
    organizations=(OrganizationSpec("Acme", collections=("Deploy",)),),
    items=(
        ItemSpec("prod-db", Login("deploy", "p4ss"), folder="Prod", own_key=True),
        ItemSpec("card", Card(number="4111111111111111")),
        ItemSpec("key", SshKey("private", "public", "fingerprint")),
        ItemSpec("shared", organization="Acme", collections=("Deploy",)),
    ),
)


def user_key_in(session: str, data: Json, user_id: str) -> str:
    """Open the user key in a session's file with BW_SESSION, by other code than bwrun's; return it in hex."""
    key = base64.b64decode(session)
    buffer = base64.b64decode(data[f"__PROTECTED__{user_id}_user_auto"])
    kind, iv, mac, body = buffer[0], buffer[1:17], buffer[17:49], buffer[49:]

    assert (len(key), kind) == (64, 2)
    assert hmac.digest(key[32:], iv + body, "sha256") == mac

    return unpad(AES.new(key[:32], AES.MODE_CBC, iv).decrypt(body), AES.block_size).hex()


def assert_opens(surroundings: Surroundings, server: BitwardenServer, account: Account, *, email: str) -> None:
    """The command finds in its session the account's own user key, who it is, and every item."""
    server.clear_faults()
    surroundings.use(server, account)

    done = surroundings.run(*SHOW)

    assert (done.status, done.stderr) == (0, "")
    session, _, text = done.stdout.partition("\n")
    data = json.loads(text)
    user = f"user_{account.user_id}_"
    assert account.user_key_hex == user_key_in(session, data, account.user_id)
    assert data["global_account_accounts"][account.user_id]["email"] == email
    assert set(data[f"{user}ciphers_ciphers"]) == set(account.item_ids.values())
    assert set(data[f"{user}folder_folders"]) == set(account.folder_ids.values())
    assert set(data[f"{user}collection_collections"]) == set(account.collection_ids.values())
    assert set(data[f"{user}crypto_organizationKeys"]) == set(account.organization_ids.values())
    assert account.master_password not in text
    assert account.client_secret not in text


@pytest.mark.parametrize("kdf", [CHEAP, CHEAP_ARGON2], ids=["PBKDF2", "Argon2id"])
@pytest.mark.parametrize("style", STYLES)
def test_opens_with_replies_of_every_server(
    bare: Surroundings, server: BitwardenServer, style: ReplyStyle, kdf: Pbkdf2 | Argon2id
) -> None:
    """Official servers and Vaultwarden, of today and of years ago, with both KDFs: the vault opens, all of it."""
    account = server.add_account(replace(VAULT, reply_style=style, kdf=kdf))

    assert_opens(bare, server, account, email="ada@example.com")


@pytest.mark.parametrize(
    "spec",
    [
        replace(VAULT, kdf=Pbkdf2(600_000)),
        replace(VAULT, kdf=Argon2id(3, 64, 4)),
        replace(VAULT, legacy_user_key=True),
        replace(VAULT, salt=" Before-the-change@Example.org "),
        replace(VAULT, email=" Ada@EXAMPLE.com ", reply_style="vaultwarden-1.35"),
        replace(VAULT, email="ada@exämple.com", master_password=" pässwörd ✓ 🔑 e\u0301 "),
        replace(VAULT, drop_fields=("MasterPasswordUnlock",)),
        replace(VAULT, drop_fields=("MasterKeyEncryptedUserKey", "Salt")),
        replace(VAULT, drop_fields=("AccountKeys", "PrivateKey"), organizations=(), items=VAULT.items[:2]),
    ],
    ids=[
        "PBKDF2 default",
        "Argon2id default",
        "type-0 user key",
        "salt",
        "e-mail's case",
        "unicode",
        "no unlock part",
        "no salt",
        "no key pair",
    ],
)
def test_opens(bare: Surroundings, server: BitwardenServer, spec: AccountSpec) -> None:
    """The KDFs at the servers' defaults, salts by their rules, keys and replies of long ago: the vault opens."""
    assert_opens(bare, server, server.add_account(spec), email=spec.email)


def test_does_not_open_a_type_0_key_with_a_wrong_password(bare: Surroundings, server: BitwardenServer) -> None:
    """A user key without a MAC cannot prove the password right, but a wrong one does not start the command."""
    server.clear_faults()
    bare.use(server, server.add_account(replace(VAULT, legacy_user_key=True)))

    assert fail(bare, env={"BW_PASSWORD": "another"}).codes == ["crypto.wrong-master-password"]


def odd_kdf(kdf: Pbkdf2 | Argon2id) -> Status:
    """Make a login's reply with these KDF parameters, as a server that lies would."""
    stored = make_account(VAULT)
    stored.spec = replace(VAULT, kdf=kdf)
    return Status(200, json.dumps(token_reply(stored, "head.e30.tail", 3600)))


@pytest.mark.parametrize(
    ("kdf", "said"),
    [
        (Pbkdf2(4_999), "the PBKDF2 iterations to 4999, outside of 5000 to"),
        (Pbkdf2(2_000_000_000), "the PBKDF2 iterations to 2000000000, outside of 5000 to"),
        (Argon2id(3, 4_000_000, 4), "the Argon2id memory in MiB to 4000000, outside of 15 to 1024"),
    ],
    ids=["low", "high", "all memory"],
)
def test_refuses_kdf_parameters(
    ready: Surroundings, server: BitwardenServer, kdf: Pbkdf2 | Argon2id, said: str
) -> None:
    """Parameters that no account has are refused at once: too low is an attack, too high would stop the machine."""
    server.set_fault(Fault(TOKEN, odd_kdf(kdf)))
    started = time.monotonic()

    done = fail(ready)

    assert done.codes == ["crypto.kdf-parameters"]
    assert said in messages(done)[0]
    assert time.monotonic() - started < AT_ONCE


def test_refuses_an_unknown_kdf(ready: Surroundings, server: BitwardenServer) -> None:
    """A KDF of a type that came after this version is refused by its number."""
    reply = json.loads(odd_kdf(CHEAP).body)
    reply["UserDecryptionOptions"]["MasterPasswordUnlock"]["Kdf"]["KdfType"] = 2
    server.set_fault(Fault(TOKEN, Status(200, json.dumps(reply))))

    assert messages(fail(ready))[0] == (
        "error: this account uses a KDF of type 2, which bwrun does not support [auth.unsupported-account]"
    )


def test_user_key_of_an_unknown_type(ready: Surroundings, server: BitwardenServer) -> None:
    """A user key wrapped in a form that is not known is not called a wrong master password."""
    reply = json.loads(odd_kdf(CHEAP).body)
    reply["UserDecryptionOptions"]["MasterPasswordUnlock"]["MasterKeyEncryptedUserKey"] = "9.AAAA|BBBB|CCCC"
    server.set_fault(Fault(TOKEN, Status(200, json.dumps(reply))))

    assert fail(ready).codes in (["crypto.unsupported"], ["crypto.malformed"])
