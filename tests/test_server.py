"""The test server proves itself: the official CLI works with it, and what it does wrong on demand it does.

Everything else is tested against this server, so it is held to the official client, not to our own.
"""

from __future__ import annotations

import base64
import json
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.official import log_in
from tests.official.serving import serve
from tests.server.control import Account, BitwardenServer
from tests.server.faults import (
    RATE_LIMITED_OFFICIAL,
    RATE_LIMITED_VAULTWARDEN,
    Action,
    CloseMidBody,
    Delay,
    Drip,
    DropFields,
    Fault,
    Hang,
    NotJson,
    Redirect,
    Reset,
    Signal,
    Status,
    TruncatedJson,
)
from tests.server.specs import (
    AccountSpec,
    Argon2id,
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
    PasswordHistorySpec,
    Pbkdf2,
    ReplyStyle,
    SecureNote,
    SshKey,
    Uri,
)

CHEAP = Pbkdf2(5_000)
ITEMS = (
    ItemSpec(
        "prod-db",
        Login("deploy", "p4ssword", uris=(Uri("https://db.example/"),)),
        notes="a login's note",
        folder="Prod",
        favorite=True,
        fields=(
            FieldSpec("text", "plain"),
            FieldSpec("token", "hidden", type=1),
            FieldSpec("tls", "true", type=2),
            FieldSpec("who", None, type=3, linked_id=100),
        ),
        password_history=(PasswordHistorySpec("former"),),
    ),
    ItemSpec(
        "own-key",
        Login("ada", "0wn", totp="JBSWY3DPEHPK3PXP", uris=(Uri("https://own.example/"),)),
        own_key=True,
        attachments=(AttachmentSpec("kube.conf", b"\x00file\xff" * 100),),
    ),
    ItemSpec("memo", SecureNote(), notes="secure text", reprompt=True),
    ItemSpec("visa", Card("Ada", "Visa", "4111111111111111", "1", "2030", "123")),
    ItemSpec("me", Identity(first_name="Ada", address1="1 High St", license_number="L-1")),
    ItemSpec("deploy-key", SshKey("private", "public", "SHA256:abc")),
    ItemSpec("giro", BankAccount("Bank", iban="DE00")),
    ItemSpec("driving", DriversLicense("Ada", license_number="D-1")),
    ItemSpec("travel", Passport("Lovelace", passport_number="P-1")),
    ItemSpec("old", Login("x", "y"), trashed=True),
    ItemSpec("shared", Login("team", "0rg"), organization="Acme", collections=("Deploy",)),
    ItemSpec("shared-own", Login("team", "0rg0wn"), organization="Acme", collections=("Deploy",), own_key=True),
)


@pytest.fixture(scope="module")
def own_server() -> Iterator[BitwardenServer]:
    """A server of these tests alone, below a path as Vaultwarden may be."""
    with BitwardenServer.start(path_prefix="/vault") as running:
        # The first account decides in which style the server answers to a client that it does not know.
        running.add_account(AccountSpec("first@example.com", "pw", CHEAP))
        yield running


@pytest.mark.slow
@pytest.mark.official_cli
def test_official_cli_reads_every_kind_of_item(official_bw: Path, own_server: BitwardenServer, tmp_path: Path) -> None:
    """`bw` logs in to a PBKDF2 account and reads all kinds of items, an organization's and own-key ones among them."""
    organizations = (OrganizationSpec("Acme", collections=("Deploy",)),)
    spec = AccountSpec("Ada@Example.com", "correct horse", organizations=organizations, items=ITEMS)
    account = own_server.add_account(spec)
    bw = log_in(official_bw, own_server, account, tmp_path)
    with serve(bw) as served:
        items = {item["name"]: item for item in served.json("list", "items")}
        password, totp = served("get", "password", "shared-own"), served("get", "totp", "own-key")
        collections = served.json("list", "collections")
        file = served.file("kube.conf", items["own-key"]["id"])
    prod = items["prod-db"]

    assert set(items) == {item.name for item in ITEMS if not item.trashed}
    assert prod["login"]["password"] == "p4ssword"
    assert prod["login"]["uris"][0]["uri"] == "https://db.example/"
    assert prod["folderId"] == account.folder_ids["Prod"]
    assert [(f["name"], f.get("value"), f["type"]) for f in prod["fields"]] == [
        ("text", "plain", 0),
        ("token", "hidden", 1),
        ("tls", "true", 2),
        ("who", None, 3),
    ]
    assert (prod["notes"], prod["favorite"]) == ("a login's note", True)
    assert prod["passwordHistory"][0]["password"] == "former"
    assert items["own-key"]["login"]["password"] == "0wn"
    assert (items["memo"]["notes"], items["memo"]["reprompt"]) == ("secure text", 1)
    assert items["visa"]["card"]["number"] == "4111111111111111"
    assert items["me"]["identity"]["licenseNumber"] == "L-1"
    assert items["deploy-key"]["sshKey"]["privateKey"] == "private"
    assert items["giro"]["bankAccount"]["iban"] == "DE00"
    assert items["driving"]["driversLicense"]["licenseNumber"] == "D-1"
    assert items["travel"]["passport"]["passportNumber"] == "P-1"
    assert items["shared"]["login"]["password"] == "0rg"
    assert items["shared"]["collectionIds"] == [account.collection_ids["Deploy"]]
    assert password["stdout"] == "0rg0wn"
    assert totp["stdout"].isdigit()
    assert [c["name"] for c in collections] == ["Deploy"]
    assert file == b"\x00file\xff" * 100


@pytest.mark.official_cli
@pytest.mark.slow
def test_official_cli_writes(official_bw: Path, own_server: BitwardenServer, tmp_path: Path) -> None:
    """`bw` creates, edits, attaches, trashes, restores and deletes on an Argon2id account, and reads it back."""
    old = ItemSpec("with-file", Login("u", "p"), attachments=(AttachmentSpec("a.txt", b"kept"),))
    spec = AccountSpec("bo@example.com", "pässwörd", kdf=Argon2id(3, 16, 2), reply_style="vaultwarden", items=(old,))
    account = own_server.add_account(spec)
    bw = log_in(official_bw, own_server, account, tmp_path)
    item = {"type": 1, "name": "made", "login": {"username": "u", "password": "first"}}
    upload = tmp_path / "up.bin"
    upload.write_bytes(bytes(range(256)) * 20)
    with_file = account.item_ids["with-file"]

    with serve(bw) as served:
        made = served.json("create", "item", send=item)
        made["login"]["password"] = "second"
        done = [
            served("edit", "item", made["id"], send=made),
            served.attach(upload, made["id"]),
            served("create", "folder", send={"name": "made too"}),
            served("delete", "item", made["id"]),
            served("restore", "item", made["id"]),
            served("edit", "item", with_file, send={"type": 1, "name": "renamed", "login": {"password": "p"}}),
        ]
    password = bw("get", "password", made["id"])
    with serve(bw) as served:
        done.append(served("sync", "--force"))
        files = served.file("up.bin", made["id"]), served.file("a.txt", with_file)
        folders = served.json("list", "folders")
        done.append(served("delete", "item", made["id"], "--permanent"))

    assert [(one["status"], one["stderr"]) for one in done] == [(0, "")] * 8
    assert password["stdout"] == "second"
    assert files == (upload.read_bytes(), b"kept")
    assert "made too" in [folder["name"] for folder in folders]
    assert own_server.requests()[-1].method == "DELETE"
    assert [r.path for r in own_server.requests() if r.status not in {200, 204}] == []


class Client:
    """A plain HTTP client with an access token."""

    def __init__(self, server: BitwardenServer, account: Account) -> None:
        """Log in."""
        context = ssl.create_default_context(cafile=server.ca_file)
        self.server, self.account = server, account
        self.http = httpx.Client(verify=context, timeout=120, headers={"Bitwarden-Client-Version": "2026.9.0"})
        self.reply = self.login().json()
        self.http.headers["Authorization"] = "Bearer " + self.reply["access_token"]

    def login(self, **changes: str) -> httpx.Response:
        """The answer to a token request, with some of its fields changed."""
        form = {
            "grant_type": "client_credentials",
            "scope": "api",
            "client_id": self.account.client_id,
            "client_secret": self.account.client_secret,
            "deviceType": "25",
            "deviceIdentifier": "0000",
            "deviceName": "linux",
        }
        return self.http.post(self.server.identity_url + "/connect/token", data=form | changes)

    def get(self, path: str, timeout: float = 120) -> httpx.Response:
        """GET below the API's URL; `timeout` in seconds."""
        return self.http.get(self.server.api_url + path, timeout=timeout)


@pytest.fixture
def client(own_server: BitwardenServer, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of an account in the style the test's parameter names (official without one)."""
    style: ReplyStyle = getattr(request, "param", "official")
    items = (ItemSpec("a", Login("u", "p")), ItemSpec("ssh", SshKey("x", "y", "z")))
    account = own_server.add_account(AccountSpec(f"{style}@example.com", "pw", CHEAP, reply_style=style, items=items))
    client = Client(own_server, account)
    own_server.clear_requests()
    yield client

    client.http.close()
    own_server.clear_faults()


STYLES = {
    "official": ({"Key", "KdfIterations", "AccountKeys", "UserDecryptionOptions", "MasterPasswordPolicy"}, "ciphers"),
    "vaultwarden": ({"Key", "KdfIterations", "AccountKeys", "UserDecryptionOptions", "ResetMasterPassword"}, "ciphers"),
    "vaultwarden-1.35": ({"Key", "KdfIterations", "ResetMasterPassword"}, "ciphers"),
    "pascal": ({"Key", "KdfIterations", "MasterPasswordPolicy"}, "Ciphers"),
    "camel": ({"key", "kdfIterations", "accountKeys", "userDecryptionOptions"}, "ciphers"),
}


@pytest.mark.parametrize("client", STYLES, indirect=True)
def test_reply_styles(client: Client, request: pytest.FixtureRequest) -> None:
    """Each style has its own names and parts."""
    present, ciphers = STYLES[request.node.callspec.params["client"]]
    some_style = {name for names, _ in STYLES.values() for name in names}

    assert present <= client.reply.keys()
    assert ("UserDecryptionOptions" in client.reply) == ("UserDecryptionOptions" in present)
    assert present & some_style == present
    assert len(client.get("/sync").json()[ciphers]) == 2


def test_ssh_keys_are_hidden_from_unknown_clients(client: Client) -> None:
    """Without a client version a sync lacks the SSH key, as on the real servers."""
    del client.http.headers["Bitwarden-Client-Version"]

    assert [c["type"] for c in client.get("/sync").json()["ciphers"]] == [1]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "user.unknown"}, "invalid_client"),
        ({"scope": "api offline_access"}, "invalid_scope"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"deviceIdentifier": ""}, "device_error"),
    ],
)
def test_refusals(client: Client, changes: dict[str, str], error: str) -> None:
    """A wrong token request has the official server's error code."""
    answer = client.login(**changes)

    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_version_header_is_demanded(client: Client) -> None:
    """The official style refuses a token request without a client version."""
    del client.http.headers["Bitwarden-Client-Version"]

    assert client.login().json()["error"] == "version_header_missing"


@pytest.mark.parametrize("client", ["vaultwarden"], indirect=True)
def test_vaultwarden_refuses_with_an_empty_error(client: Client) -> None:
    """Vaultwarden's `error` is empty; the message is elsewhere."""
    answer = client.login(client_secret="wrong").json()

    assert (answer["error"], answer["errorModel"]["message"]) == ("", "Incorrect client_secret")


def test_rotated_key_and_expired_tokens(client: Client) -> None:
    """A rotated key is refused, an expired token is answered 401."""
    client.server.rotate_api_key(client.account)
    client.server.expire_tokens(client.account)

    assert client.login().status_code == 400
    assert client.get("/sync").status_code == 401


CUT = (httpx.RemoteProtocolError, httpx.ReadError)


@pytest.mark.parametrize(
    ("action", "failure"),
    [
        (Reset(), CUT),
        (Reset(handled=True), CUT),
        (CloseMidBody(), CUT),
        (Hang(), httpx.ReadTimeout),
        (Drip(1, 2_000), httpx.ReadTimeout),
        (Delay(2_000), httpx.ReadTimeout),
    ],
)
def test_faults_without_an_answer(
    client: Client, action: Action, failure: type[Exception] | tuple[type[Exception], ...]
) -> None:
    """Cut and silent connections fail once, at the request the rule names, and never again."""
    client.server.set_fault(Fault("/profile", action, skip=1, count=1))

    assert client.get("/accounts/profile").status_code == 200
    with pytest.raises(failure):
        client.get("/accounts/profile", timeout=1 if failure is httpx.ReadTimeout else 120)
    assert client.get("/accounts/profile").status_code == 200
    assert len(client.server.requests()) == 3


@pytest.mark.parametrize(
    ("action", "status", "body"),
    [
        (Status(503, "down", "text/plain"), 503, "down"),
        (RATE_LIMITED_OFFICIAL, 429, "Try again in 1m"),
        (RATE_LIMITED_VAULTWARDEN, 429, "Too many login requests"),
        (NotJson(), 200, "<!DOCTYPE html>"),
        (Redirect("https://elsewhere.example/"), 302, ""),
    ],
)
def test_faults_with_an_answer(client: Client, action: Action, status: int, body: str) -> None:
    """Other answers come in place of the right one."""
    client.server.set_fault(Fault("/profile", action))
    answer = client.get("/accounts/profile")

    assert answer.status_code == status
    assert body in answer.text


def test_truncated_json(client: Client) -> None:
    """A complete HTTP reply can end in the middle of the JSON."""
    client.server.set_fault(Fault("/profile", TruncatedJson()))
    answer = client.get("/accounts/profile")

    assert answer.text.startswith('{"id"')
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_dropped_fields(client: Client) -> None:
    """Named fields can be missing from a reply."""
    client.server.set_fault(Fault("/connect/token", DropFields(("kdfiterations",))))

    assert "KdfIterations" not in client.login().json()


def test_signal_reaches_the_client_process(own_server: BitwardenServer) -> None:
    """The server finds the process that made the request and sends it a signal before it answers."""
    own_server.set_fault(Fault("/alive", Signal(signal.SIGTERM, hold_ms=5_000), count=1))
    script = "import ssl, sys, urllib.request as r; "
    script += "r.urlopen(sys.argv[1], context=ssl._create_unverified_context())"
    done = subprocess.run([sys.executable, "-c", script, own_server.url + "/alive"], check=False)
    own_server.clear_faults()

    assert done.returncode == -signal.SIGTERM


def test_key_connector(own_server: BitwardenServer) -> None:
    """A Key Connector account says so, and its key is where the profile says."""
    organizations = (OrganizationSpec("Acme"),)
    spec = AccountSpec("kc@example.com", "unused", CHEAP, key_connector=True, organizations=organizations)
    client = Client(own_server, own_server.add_account(spec))
    address = client.get("/accounts/profile").json()["organizations"][0]["keyConnectorUrl"]
    key = client.http.get(address + "/user-keys").json()["key"]
    client.http.close()

    assert client.reply["ApiUseKeyConnector"] is True
    assert client.reply["UserDecryptionOptions"]["HasMasterPassword"] is False
    assert len(base64.b64decode(key)) == 32


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [("self-signed", "self-signed"), ("expired", "expired"), ("wrong-host", "mismatch")],
)
def test_bad_certificates(certificate: Any, reason: str) -> None:  # noqa: ANN401  # a Literal of the call below
    """Each bad certificate is bad for its own reason."""
    with BitwardenServer.start(certificate=certificate) as server:
        context = ssl.create_default_context(cafile=server.ca_file)
        with httpx.Client(verify=context) as http, pytest.raises(httpx.ConnectError, match=reason):
            http.get(server.api_url + "/config")


def test_server_ends_with_its_parent() -> None:
    """A killed parent leaves no server and no certificates behind."""
    script = (
        "import os, signal\n"
        "from tests.server.control import BitwardenServer\n"
        "with BitwardenServer.start(certificate=None) as server:\n"
        "    print(server.pid, server.ca_file, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, check=False)
    pid, ca_file = done.stdout.decode().split()

    assert done.returncode == -signal.SIGKILL
    gone = f"while [ -e /proc/{pid} ] || [ -e {ca_file} ]; do sleep 0.05; done"
    subprocess.run(["timeout", "120", "sh", "-c", gone], check=True)
