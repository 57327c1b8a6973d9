"""What the documentation's examples name: an account with its items, and a directory with the files and programs."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, AttachmentSpec, FieldSpec, ItemSpec, Login, SecureNote, SshKey
from tests.support.files import write_private
from tests.support.program import Surroundings

SERVER = "https://vault.example.com"  # what the pages write for the reader's own server
ITEM_ID = "8f5c1a5e-0c1d-4a52-9d43-6e4b8c0f2a11"
PRIVATE_KEY = (
    Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode("ascii")
)
EXAMPLES = AccountSpec(
    "examples@example.com",
    "correct horse battery staple",
    client_id="user.c0ffee00-5e55-4a11-9e57-0123456789ab",
    kdf=CHEAP,
    items=(
        ItemSpec("prod-db", Login("deploy", "p4ss"), id=ITEM_ID),
        ItemSpec("CI tokens", SecureNote(), fields=(FieldSpec("deploy", "t0ken", 1),), folder="Prod"),
        ItemSpec("backup", Login("backup", "of prod"), folder="Prod"),
        ItemSpec("backup", Login("backup", "of test"), folder="Test"),
        ItemSpec("mail", Login("ada", "m4il", "JBSWY3DPEHPK3PXP")),
        ItemSpec(
            "tls",
            SshKey("-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n", "ssh-ed25519 AAAA", "SHA256:x"),
            attachments=(AttachmentSpec("chain.pem", b"-----BEGIN CERTIFICATE-----\n"),),
        ),
        ItemSpec("deploy key", SshKey(PRIVATE_KEY, "ssh-ed25519 AAAA", "SHA256:x")),
        ItemSpec("prod env", SecureNote(), fields=(FieldSpec("API_URL", "https://api"), FieldSpec("API_KEY", "k3y"))),
    ),
)
# Each fails if it does not get what the pages say it gets.
PROGRAMS = {
    "serve": 'test "$(head -n 1 "$TLS_KEY")" = "-----BEGIN KEY-----"',
    "app": 'test "$1" = --config && grep -q "password = p4ss" "$2"',
    "migrate": 'test "$DB_PASSWORD" = p4ss',
    "nightly": "exit 0",
    "release": 'test "$(ssh-add -L | wc -l)" = 1',
}
FILES = {
    "Makefile": 'deploy:\n\t@test -z "$$BW_PASSWORD$$BW_CLIENTSECRET" && test "$${DB_PASSWORD-p4ss}" = p4ss\n',
    "app.conf.tpl": "[database]\nuser = bw://prod-db/username\npassword = {{ bw://prod-db/password }}\n",
}  # fmt: skip


def prepare(surroundings: Surroundings, server: BitwardenServer, account: Account) -> None:
    """Put the files, the programs and a `.env` with the account's credentials into the working directory."""
    for name, text in FILES.items():
        (surroundings.work / name).write_text(text)
    for name, line in PROGRAMS.items():
        path = surroundings.work / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
    (surroundings.work / "ca.pem").write_bytes(server.ca_file.read_bytes())
    write_private(surroundings.work / "password", account.master_password)
    write_private(surroundings.work / "secret", account.client_secret)
    write_private(surroundings.work / ".env", f"{credentials(account)}BWRUN_SERVER={server.url}\n")


def credentials(account: Account) -> str:
    """Return the three lines of an env file."""
    return (
        f"BW_CLIENTID={account.client_id}\nBW_CLIENTSECRET={account.client_secret}\n"
        f"BW_PASSWORD='{account.master_password}'\n"
    )
