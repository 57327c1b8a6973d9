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

from bwrun.login.token import access_token_of
from bwrun.network.answer import Answer
from tests.login.test_login_failures import AT_ONCE, CHEAP, CHEAP_ARGON2, PASSWORD, TOKEN, fail, messages
from tests.server.accounts import make_account
from tests.server.control import Account, BitwardenServer
from tests.server.faults import Fault, Status
from tests.server.json_types import Json, JsonValue
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
from tests.support.program import Ended, Surroundings

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
        (Pbkdf2(2_000_000_000), "the PBKDF2 iterations to 2000000000, above the limit of"),
        (Argon2id(3, 1_000_000, 4), "the Argon2id memory in MiB to 1000000, above the limit of 1024"),
        (Argon2id(3, 4_000_000, 4), "the Argon2id memory in MiB to 4000000, outside of 15 to"),
        (Argon2id(100, 1024, 4), "the Argon2id iterations times memory in MiB to 102400, above the limit of 10240"),
    ],
    ids=["low", "high", "all memory", "beyond", "hours"],
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


COSTLY = AccountSpec("costly@example.com", "correct horse", kdf=Argon2id(iterations=1, memory_mib=16, parallelism=32))


@pytest.fixture(scope="module")
def costly(server: BitwardenServer) -> Account:
    """Make an account whose key derivation needs a permission, and next to no time."""
    return server.add_account(COSTLY)


def test_many_iterations(bare: Surroundings, server: BitwardenServer) -> None:
    """Twenty iterations of Argon2id need no permission: with little memory they are cheap, and Vaultwarden has them."""
    server.clear_faults()
    spec = replace(COSTLY, email="twenty@example.com", kdf=Argon2id(iterations=20, memory_mib=16, parallelism=1))
    bare.use(server, server.add_account(spec))

    assert bare.run("--", "true") == Ended(0, "", "")


@pytest.mark.parametrize("how", ["option", "variable", "named file"])
def test_a_costly_kdf_can_be_allowed(bare: Surroundings, server: BitwardenServer, costly: Account, how: str) -> None:
    """What the error names lifts the limit, and not the vault's protection: it opens, and with its password alone."""
    server.clear_faults()
    bare.use(server, costly)
    (bare.work / "settings").write_text("BWRUN_ALLOW_COSTLY_KDF=1\n")
    words = {"option": ["--allow-costly-kdf"], "variable": [], "named file": ["--env-file", "settings"]}[how]
    env = {"BWRUN_ALLOW_COSTLY_KDF": "1"} if how == "variable" else {}

    assert bare.run(*words, "--", "true", env=env) == Ended(0, "", "")
    assert fail(bare, *words, env={**env, "BW_PASSWORD": "another"}).codes == ["crypto.wrong-master-password"]


def test_a_costly_kdf_is_not_allowed_by_a_found_file(
    bare: Surroundings, server: BitwardenServer, costly: Account
) -> None:
    """A `.env` that was found, and may come with a strange checkout, does not lift the limit."""
    server.clear_faults()
    bare.use(server, costly)
    (bare.work / ".env").write_text("BWRUN_ALLOW_COSTLY_KDF=1\n")

    done = fail(bare)

    assert done.codes == ["crypto.kdf-parameters"]
    assert any("BWRUN_ALLOW_COSTLY_KDF" in line for line in messages(done) if line.startswith("warning: "))
    assert messages(done)[-1].endswith("if your account has this setting, use `--allow-costly-kdf`")


def test_a_weak_kdf_cannot_be_allowed(ready: Surroundings, server: BitwardenServer) -> None:
    """The permission is for costs: parameters that are too weak are refused with it, too."""
    server.set_fault(Fault(TOKEN, odd_kdf(Pbkdf2(4_999))))

    assert fail(ready, "--allow-costly-kdf").codes == ["crypto.kdf-parameters"]


def test_refuses_an_unknown_kdf(ready: Surroundings, server: BitwardenServer) -> None:
    """A KDF of a type that came after this version is refused by its number."""
    reply = json.loads(odd_kdf(CHEAP).body)
    reply["UserDecryptionOptions"]["MasterPasswordUnlock"]["Kdf"]["KdfType"] = 2
    server.set_fault(Fault(TOKEN, Status(200, json.dumps(reply))))

    assert messages(fail(ready))[0] == (
        "error: this account uses a KDF of type 2, which bwrun does not support [auth.unsupported-account]"
    )


LIFETIMES = [
    (7200, 7200), ("7200", 7200), (7200.9, 7200), (None, 3600), ("soon", 3600), ("", 3600), ("-5", 3600),
    (0, 3600), (-5, 3600), (True, 3600), ([], 3600), ({}, 3600), (10**30, 3600), ("9" * 5000, 3600), (1e300, 3600),
    ("\u0663", 3600),
]  # fmt: skip


@pytest.mark.parametrize(("said", "lifetime"), LIFETIMES, ids=[f"{said!a:.12}" for said, _ in LIFETIMES])
def test_lifetime_of_the_token(said: JsonValue, lifetime: int) -> None:
    """A number counts, also in a text; anything else is passed over, as the official CLI does, and means an hour."""
    answer = Answer(200, {}, {"access_token": "a.b.c", "expires_in": said, "token_type": "Bearer"})

    assert access_token_of(answer)[1] == lifetime


def test_lifetime_as_text(ready: Surroundings, server: BitwardenServer, account: Account) -> None:
    """A server that writes the lifetime as a text logs in as any other."""
    stored = make_account(replace(VAULT, master_password=account.master_password))
    reply = token_reply(stored, "head.e30.tail", 3600) | {"expires_in": "3600"}
    server.set_fault(Fault(TOKEN, Status(200, json.dumps(reply))))
    server.set_fault(Fault("/api/sync", Status(418, "{}")))

    assert fail(ready).codes == ["server.sync"]  # the login went well


def test_user_key_of_an_unknown_type(ready: Surroundings, server: BitwardenServer) -> None:
    """A user key wrapped in a form that is not known is not called a wrong master password."""
    reply = json.loads(odd_kdf(CHEAP).body)
    reply["UserDecryptionOptions"]["MasterPasswordUnlock"]["MasterKeyEncryptedUserKey"] = "9.AAAA|BBBB|CCCC"
    server.set_fault(Fault(TOKEN, Status(200, json.dumps(reply))))

    assert fail(ready).codes in (["crypto.unsupported"], ["crypto.malformed"])
