"""Accounts of 2026 (V2 encryption, blob items, Key Connector): what opens, and what is refused before a start."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import CHEAP
from tests.login.test_accounts import assert_opens
from tests.login.test_login_failures import PASSWORD, SYNC, TOKEN, fail, messages
from tests.official import token_and_sync
from tests.server import cose, crypto
from tests.server.control import Account, BitwardenServer
from tests.server.faults import Fault, Status
from tests.server.json_types import Json
from tests.server.specs import (
    AccountSpec,
    AttachmentSpec,
    BankAccount,
    Card,
    DriversLicense,
    FieldSpec,
    Identity,
    ItemSpec,
    Login,
    OrganizationSpec,
    Passport,
    ReplyStyle,
    SecureNote,
    SshKey,
    Uri,
)
from tests.support.files import write_private
from tests.support.program import Surroundings

FILE = AttachmentSpec("id.pem", b"-----BEGIN KEY-----\nx\n")
LOGIN = Login("deploy", "p4ss \N{KEY}", "JBSWY3DPEHPK3PXP", (Uri("https://one.example"), Uri("https://two.example")))
CUSTOM = (FieldSpec("token", "t0ken", 1), FieldSpec("tls", "true", 2), FieldSpec("who", None, 3, 100))
PERSONAL = (
    ItemSpec("prod-db", LOGIN, notes="of prod-db", fields=CUSTOM, folder="Prod", attachments=(FILE,)),
    ItemSpec("memo", SecureNote(), notes="secure text"),
    ItemSpec("visa", Card("Ada", "Visa", "4111", "12", "2030", "123")),
    ItemSpec("me", Identity(first_name="Ada", ssn="123-45")),
    ItemSpec("key", SshKey("PRIVATE", "PUBLIC", "SHA256:x")),
    ItemSpec("giro", BankAccount(iban="DE00")),
    ItemSpec("car", DriversLicense(license_number="D-1")),
    ItemSpec("travel", Passport(passport_number="P-1")),
)
SHARED = ItemSpec("shared", Login("o", "0rg"), organization="Acme", collections=("Deploy",), own_key=True)
VALUES = {
    "prod-db": "p4ss \N{KEY}",
    "prod-db/username": "deploy",
    "prod-db/uri.2": "https://two.example",
    "prod-db/notes": "of prod-db",
    "prod-db/token": "t0ken",
    "prod-db/tls": "true",
    "prod-db/who": "deploy",
    "prod-db/attachment/id.pem": "-----BEGIN KEY-----\nx\n",
    "prod-db?folder=Prod": "p4ss \N{KEY}",
    "memo": "secure text",
    "visa/card.number": "4111",
    "me/identity.ssn": "123-45",
    "key": "PRIVATE",
    "key/ssh.fingerprint": "SHA256:x",
    "giro/bankAccount.iban": "DE00",
    "car/driversLicense.licenseNumber": "D-1",
    "travel/passport.passportNumber": "P-1",
    "shared?organization=Acme&collection=Deploy": "0rg",
}
SPEC = AccountSpec(
    "new@example.com", PASSWORD, kdf=CHEAP, organizations=(OrganizationSpec("Acme", collections=("Deploy",)),),
    items=(*PERSONAL, SHARED),
)  # fmt: skip
BLOBS = (*(replace(item, blob=True) for item in PERSONAL), SHARED)
KINDS = {
    "V1": SPEC,
    "V2": replace(SPEC, v2=True, items=(*(replace(item, own_key=True) for item in PERSONAL), SHARED)),
    "V2 without item keys": replace(SPEC, v2=True),
    "V2 with blobs": replace(SPEC, v2=True, items=BLOBS),
    "Key Connector": replace(SPEC, key_connector=True),
    "Key Connector and V2": replace(SPEC, v2=True, key_connector=True, items=BLOBS),
}
WITHOUT_PASSWORD = {"BW_PASSWORD": None}


@pytest.fixture(scope="module")
def v2_account(server: BitwardenServer) -> Account:
    """Make a V2 account with a blob."""
    return server.add_account(replace(SPEC, v2=True, email="v2@example.com", items=(BLOBS[0], SHARED)))


@pytest.fixture(scope="module")
def connected(server: BitwardenServer) -> Account:
    """Make an account of a Key Connector."""
    return server.add_account(replace(SPEC, key_connector=True, email="kc@example.com"))


@pytest.fixture
def modern(bare: Surroundings, server: BitwardenServer) -> Surroundings:
    """Give surroundings with the server, whose faults and requests are forgotten."""
    server.clear_faults()
    server.clear_requests()
    bare.use(server)
    return bare


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", ["official", "announced"])
def test_every_kind_of_value(modern: Surroundings, server: BitwardenServer, kind: str, style: ReplyStyle) -> None:
    """Each kind of field arrives, of items of each type, of the account and of an organization."""
    modern.use(server, server.add_account(replace(KINDS[kind], reply_style=style)))
    words = [word for number, text in enumerate(VALUES) for word in ("-e", f"V{number}=bw://{text}")]
    script = "".join(f'printf "%s|" "$V{number}"; ' for number in range(len(VALUES)))

    done = modern.run(*words, "--", "sh", "-c", script)

    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == "".join(f"{value}|" for value in VALUES.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", ["official", "camel", "announced"])
def test_the_session_opens(modern: Surroundings, server: BitwardenServer, kind: str, style: ReplyStyle) -> None:
    """The session holds the user key as it was wrapped, and every item, folder and organization."""
    account = server.add_account(replace(KINDS[kind], reply_style=style, email=f"{style}@example.com"))

    assert_opens(modern, server, account, email=f"{style}@example.com")


def test_keys_that_only_the_sync_has(modern: Surroundings, server: BitwardenServer, v2_account: Account) -> None:
    """A reply to the login without the account's keys is made up for by the profile."""
    token, _ = token_and_sync(server, v2_account)
    del token["AccountKeys"]
    server.set_fault(Fault(TOKEN, Status(200, json.dumps(token))))
    modern.use(server, v2_account)

    for item in ("prod-db", v2_account.item_ids["prod-db"]):
        done = modern.run("--no-session", "-e", f"A=bw://{item}", "--", "sh", "-c", 'printf "$A"')
        assert (done.stdout, done.stderr) == ("p4ss \N{KEY}", "")


@pytest.mark.parametrize("item", ["id", "name"])
def test_user_key_that_only_the_sync_has(modern: Surroundings, server: BitwardenServer, item: str) -> None:
    """The user key of an account with a Key Connector is found in the profile if the login's reply lacks it."""
    spec = replace(SPEC, key_connector=True, reply_style="announced", email=f"{item}@example.com")
    account = server.add_account(spec)
    modern.use(server, account)
    reference = f"A=bw://{account.item_ids['prod-db'] if item == 'id' else 'prod-db'}"

    for url in ((), ("--key-connector-url", f"{server.url}/key-connector")):
        done = modern.run("--no-session", *url, "-e", reference, "--", "sh", "-c", 'printf "$A"')
        assert (done.stdout, done.stderr) == ("p4ss \N{KEY}", "")


def flipped(text: str) -> str:
    """Return base64 with the last bit of its bytes flipped."""
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return base64.b64encode(data).decode()


def stranger() -> Json:
    """Return the keys of another V2 account, as a server would give them."""
    key, signer = cose.Key(), cose.SigningKey()
    return {
        "key": key,
        "publicKeyEncryptionKeyPair": {
            "wrappedPrivateKey": key.encrypt(crypto.private_key_der(), cose.PKCS8),
            "signedPublicKey": signed(signer, {"publicKey": base64.b64decode(crypto.public_key_base64())}, 1),
        },
        "signatureKeyPair": {"wrappedSigningKey": key.encrypt(signer.cose_key(), cose.COSE_KEY)},
        "securityState": {"securityState": signed(signer, {"version": 2}, 2), "securityVersion": 2},
    }


def signed(signer: cose.SigningKey, payload: Json, namespace: int) -> str:
    """Return base64 of a signature with its payload."""
    return base64.b64encode(signer.sign1(cose.cbor(payload), namespace)).decode()


TAMPERINGS: dict[str, Callable[[Json], None]] = {
    "a spoilt security state": lambda keys: keys["securityState"].update(
        securityState=flipped(keys["securityState"]["securityState"])
    ),
    "a spoilt public key": lambda keys: keys["publicKeyEncryptionKeyPair"].update(
        signedPublicKey=flipped(keys["publicKeyEncryptionKeyPair"]["signedPublicKey"])
    ),
    "another's security state": lambda keys: keys.update(securityState=stranger()["securityState"]),
    "another's signing key": lambda keys: keys.update(signatureKeyPair=stranger()["signatureKeyPair"]),
    "another's private key": lambda keys: keys["publicKeyEncryptionKeyPair"].update(
        wrappedPrivateKey=stranger()["publicKeyEncryptionKeyPair"]["wrappedPrivateKey"]
    ),
    "another's keys, all of them": lambda keys: keys.update({k: v for k, v in stranger().items() if k != "key"}),
    "one for the other": lambda keys: keys["securityState"].update(
        securityState=keys["publicKeyEncryptionKeyPair"]["signedPublicKey"]
    ),
    "no security state": lambda keys: keys.pop("securityState"),
    "no signing key": lambda keys: keys.pop("signatureKeyPair"),
    "a private key as V1 has it": lambda keys: keys["publicKeyEncryptionKeyPair"].update(
        wrappedPrivateKey=crypto.encrypt(crypto.private_key_der(), os.urandom(64))
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_tampered_keys(modern: Surroundings, server: BitwardenServer, v2_account: Account, tampering: str) -> None:
    """Keys that do not belong together, or are not signed, are refused by name; the password is not to blame."""
    token, sync = token_and_sync(server, v2_account)
    for keys in (token["AccountKeys"], sync["profile"]["accountKeys"]):
        TAMPERINGS[tampering](keys)
    token["PrivateKey"] = sync["profile"]["privateKey"] = token["AccountKeys"]["publicKeyEncryptionKeyPair"][
        "wrappedPrivateKey"
    ]
    server.set_fault(Fault(TOKEN, Status(200, json.dumps(token))))
    server.set_fault(Fault(SYNC, Status(200, json.dumps(sync))))
    modern.use(server, v2_account)

    done = fail(modern, "-e", "A=bw://prod-db")

    assert done.codes[0] in ("crypto.integrity", "crypto.unsupported")
    assert "the account's keys" in messages(done)[0]


def test_keys_of_another_user(modern: Surroundings, server: BitwardenServer, v2_account: Account) -> None:
    """A security state that its user signed, and that names another one than is logged in, is refused."""
    token, _ = token_and_sync(server, v2_account)
    head, claims, tail = token["access_token"].split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "=="))
    changed["sub"] = "00000000-0000-4000-8000-000000000000"
    token["access_token"] = f"{head}.{base64.urlsafe_b64encode(json.dumps(changed).encode()).decode()}.{tail}"
    _, sync = token_and_sync(server, v2_account)
    server.set_fault(Fault(TOKEN, Status(200, json.dumps(token))))
    server.set_fault(Fault(SYNC, Status(200, json.dumps(sync))))
    modern.use(server, v2_account)

    assert fail(modern).codes == ["crypto.integrity"]


def test_a_token_that_says_nothing(modern: Surroundings, server: BitwardenServer, v2_account: Account) -> None:
    """If the access token does not say whose account it is, the profile in the sync does."""
    token, sync = token_and_sync(server, v2_account)
    token["access_token"] = "opaque"
    server.set_fault(Fault(TOKEN, Status(200, json.dumps(token))))
    server.set_fault(Fault(SYNC, Status(200, json.dumps(sync)), count=1))
    sync["profile"]["email"] = None
    server.set_fault(Fault(SYNC, Status(200, json.dumps(sync)), skip=1))
    modern.use(server, v2_account)
    words = ["-v", "--check", "--no-session", "-e", "A=bw://prod-db"]

    for who, step in (("v2@example.com", 1), (v2_account.user_id, 0)):
        done = modern.run(*words)
        assert (done.status, f"account      {who} at {server.url}\n" in done.stdout) == (0, True)
        assert done.stderr.count("  the account is that of v2@example.com\n") == step


def test_a_v1_account_with_parts_of_a_v2_account(modern: Surroundings, server: BitwardenServer) -> None:
    """A server that hangs V2's parts on a V1 user key is refused by name."""
    account = server.add_account(replace(SPEC, email="mixed@example.com"))
    token, _ = token_and_sync(server, account)
    token["AccountKeys"]["securityState"] = stranger()["securityState"]
    server.set_fault(Fault(TOKEN, Status(200, json.dumps(token))))
    modern.use(server, account)

    done = fail(modern)

    assert done.codes == ["crypto.integrity"]
    assert "V1 and V2" in messages(done)[0]


@pytest.mark.parametrize("kind", ["V2", "V2 with blobs"])
def test_wrong_master_password(modern: Surroundings, server: BitwardenServer, kind: str) -> None:
    """Of a V2 account too, a wrong master password is called that, and nothing else."""
    modern.use(server, server.add_account(KINDS[kind]))

    assert fail(modern, env={"BW_PASSWORD": "another"}).codes == ["crypto.wrong-master-password"]


DAMAGES: dict[str, Callable[[Json], Any]] = {
    "spoilt": lambda item: item.update(data=damaged(item, envelope=flipped(json.loads(item["data"])["envelope"]))),
    "later format": lambda item: item.update(data=damaged(item, format_version=2)),
    "no envelope": lambda item: item.update(data=damaged(item, envelope=None)),
    "type": lambda item: item.update(type=3),
    "V1 text": lambda item: item.update(
        data=None, key=None, login={"password": crypto.encrypt(b"planted", os.urandom(64))}
    ),
}


def damaged(item: Json, **changes: Any) -> str:  # noqa: ANN401
    """Return an item's blob with members replaced."""
    return json.dumps(json.loads(item["data"]) | changes)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_items(modern: Surroundings, server: BitwardenServer, v2_account: Account, damage: str) -> None:
    """A damaged blob stops the run that needs it, by its id, and no other."""
    _, sync = token_and_sync(server, v2_account)
    item = v2_account.item_ids["prod-db"]
    DAMAGES[damage](next(one for one in sync["ciphers"] if one["id"] == item))
    server.set_fault(Fault(SYNC, Status(200, json.dumps(sync))))
    modern.use(server, v2_account)

    done = fail(modern, "-e", f"A=bw://{item}/password")
    assert done.codes[0].startswith("crypto.")
    assert item in messages(done)[0]
    assert modern.run("-e", "A=bw://shared", "--", "sh", "-c", 'printf "$A"').stdout == "0rg"


def test_key_connector_asks_for_no_password(modern: Surroundings, server: BitwardenServer, connected: Account) -> None:
    """With the address set no master password is needed; the token goes there, whatever the server names."""
    modern.use(server, connected)
    url = server.url + "/key-connector"
    done = modern.run(
        "-v", "--key-connector-url", url, "-e", "A=bw://prod-db", "--", "sh", "-c", 'printf "$A"', env=WITHOUT_PASSWORD
    )

    assert (done.status, done.stdout) == (0, "p4ss \N{KEY}")
    assert f"unlocked the vault with the key from the Key Connector {url}" in done.stderr
    assert "the server names" not in done.stderr
    (asked,) = [one for one in server.requests() if one.path == "/key-connector/user-keys"]
    assert (asked.method, asked.headers["accept"]) == ("GET", "application/json")
    assert asked.headers["authorization"].startswith("Bearer ey")


def test_key_connector_that_the_server_names(modern: Surroundings, server: BitwardenServer, connected: Account) -> None:
    """Without the setting the sync says where it is, which is told with -v."""
    modern.use(server, connected)
    done = modern.run("-v", "--", "true", env={"BW_PASSWORD": "unused"})

    assert (done.status, done.codes) == (0, [])
    assert f"the server names the Key Connector {server.url}/key-connector" in done.stderr


def test_no_password_and_no_key_connector(modern: Surroundings, server: BitwardenServer, connected: Account) -> None:
    """Without either it cannot be known that none is needed: that is said before any request."""
    modern.use(server, connected)
    done = fail(modern, env=WITHOUT_PASSWORD)

    assert done.codes == ["credentials.missing"]
    assert "--key-connector-url" in done.stderr
    assert server.requests() == []


def test_an_account_with_a_master_password_needs_it(modern: Surroundings, server: BitwardenServer) -> None:
    """The setting alone does not open an account that has a master password; with the password it does no harm."""
    modern.use(server, server.add_account(replace(SPEC, email="plain@example.com")))
    setting = {"BWRUN_KEY_CONNECTOR_URL": server.url + "/key-connector"}

    done = fail(modern, env={**setting, **WITHOUT_PASSWORD})
    assert done.codes == ["credentials.missing"]
    assert "this account has a master password" in messages(done)[0]
    assert modern.run("--", "true", env=setting).status == 0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://kc.example", "uses http, which would send the access token"),
        ("ftp://kc.example", "begins with `ftp://`"),
        ("https://user@kc.example", "contains a user name"),
        ("https://kc.example/ x", "not a URL"),
    ],
)
def test_key_connectors_that_are_not_asked(
    modern: Surroundings, server: BitwardenServer, connected: Account, url: str, said: str
) -> None:
    """An address to which no token may go is refused: a set one before any request, a named one before it is asked."""
    modern.use(server, connected)
    done = fail(modern, "--key-connector-url", url)
    assert done.codes[0] in ("config.server", "config.insecure-server")
    assert said in messages(done)[0]
    assert server.requests() == []

    _, sync = token_and_sync(server, connected)
    sync["profile"]["organizations"][0]["keyConnectorUrl"] = url
    server.set_fault(Fault(SYNC, Status(200, json.dumps(sync))))
    done = fail(modern)
    assert done.codes == ["auth.key-connector"]
    assert said in messages(done)[0]


def test_two_key_connectors(modern: Surroundings, server: BitwardenServer, connected: Account) -> None:
    """Of two that the server names none is asked; one of an organization that does not use it does not count."""
    modern.use(server, connected)
    _, sync = token_and_sync(server, connected)
    organizations = sync["profile"]["organizations"]
    other = {**organizations[0], "id": "00000000-0000-4000-8000-000000000000", "keyConnectorUrl": "https://kc.example"}
    organizations.append({**other, "keyConnectorEnabled": False})
    server.set_fault(Fault(SYNC, Status(200, json.dumps(sync)), count=1))
    assert modern.run("--", "true").status == 0
    organizations[1] = other
    server.set_fault(Fault(SYNC, Status(200, json.dumps(sync))))

    done = fail(modern)

    assert done.codes == ["auth.key-connector"]
    assert "names more than one" in messages(done)[0]


ANSWERS = {
    "no key": (Status(404), "auth.key-connector", "has no key"),
    "refused": (Status(401, '{"message": "who?"}'), "auth.key-connector", "did not return the key (401 who?)"),
    "no JSON": (Status(200, "<html>", "text/html"), "server.not-json", ""),
    "no object": (Status(200, "[]"), "server.unexpected-reply", "the Key Connector's reply"),
    "empty": (Status(200, "{}"), "server.incomplete-reply", "lacks `Key`"),
    "short": (Status(200, '{"key": "AAAA"}'), "crypto.malformed", "3 bytes"),
    "no base64": (Status(200, '{"key": "?"}'), "crypto.malformed", ""),
    "another": (
        Status(200, json.dumps({"Key": base64.b64encode(bytes(32)).decode()})),
        "crypto.key-connector",
        "does not decrypt the account's user key",
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_a_key_connector_may_say(
    modern: Surroundings, server: BitwardenServer, connected: Account, answer: str
) -> None:
    """A Key Connector that does not give the key is named, and nobody speaks of a master password."""
    action, code, said = ANSWERS[answer]
    server.set_fault(Fault("/user-keys", action))
    modern.use(server, connected)

    done = fail(modern)

    assert done.codes == [code]
    assert said in messages(done)[0]
    assert not any("master password" in told for told in messages(done))


def test_automatic_env_file(modern: Surroundings, server: BitwardenServer, connected: Account) -> None:
    """A `.env` that was found may say where the Key Connector is only if the client secret comes from it too."""
    modern.use(server, connected)
    setting = f"BWRUN_KEY_CONNECTOR_URL={server.url}/key-connector\n"
    write_private(modern.work / ".env", setting)
    done = modern.run("--", "true", env=WITHOUT_PASSWORD)
    assert (done.status, done.codes) == (125, ["credentials.missing"])
    assert "ignoring BWRUN_KEY_CONNECTOR_URL in `.env`" in done.stderr

    write_private(modern.work / ".env", setting + f"BW_CLIENTSECRET={connected.client_secret}\n")
    server_setting = {"BW_CLIENTSECRET": None, **WITHOUT_PASSWORD}
    assert modern.run("--", "true", env=server_setting).status == 0
