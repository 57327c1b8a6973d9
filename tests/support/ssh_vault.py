"""An account with SSH keys: in each form, with any line ends, and with all that can be wrong with one."""

from __future__ import annotations

import base64

from tests.conftest import CHEAP
from tests.server.specs import AccountSpec, FieldSpec, ItemSpec, Login, OrganizationSpec, SshKey
from tests.support.openssh import FORMS, KeyPair, key_pair

ED25519_ID = "5e5e5e5e-0000-4000-8000-000000000001"
ODD_LINE_ENDS = {"no newline": lambda text: text.rstrip("\n"), "CRLF": lambda text: text.replace("\n", "\r\n")}
GOOD = (*FORMS, *ODD_LINE_ENDS)  # names of items whose keys can be used
UNIQUE = ("narrowed", "of Acme", "guarded")  # names of items with an Ed25519 key of their own


def pair_of(item: str) -> KeyPair:
    """Return the key in an item, as it was before its line ends were changed."""
    return key_pair(item) if item in FORMS else key_pair("Ed25519", comment=item)


def public_keys() -> list[str]:
    """Return the public half of every key that can be used."""
    return [pair_of(item).public for item in (*GOOD, *UNIQUE)]


def ssh_account() -> AccountSpec:
    """Return the account."""
    return AccountSpec(
        "ssh@example.com",
        "correct horse",
        kdf=CHEAP,
        organizations=(OrganizationSpec("Acme", collections=("Ops",)),),
        items=(
            *(ItemSpec(name, content(name), id=ED25519_ID if name == "Ed25519" else None) for name in GOOD),
            ItemSpec("narrowed", content("narrowed"), folder="Prod"),
            ItemSpec("narrowed", content("Ed25519"), folder="Test"),
            ItemSpec("of Acme", content("of Acme"), organization="Acme", collections=("Ops",), own_key=True),
            ItemSpec("guarded", content("guarded"), reprompt=True),
            ItemSpec("gone", content("Ed25519"), trashed=True),
            ItemSpec("locked", SshKey(key_pair("Ed25519", "s3cret").private.decode(), "ssh-ed25519 AAAA", "SHA256:x")),
            ItemSpec(
                "broken", SshKey("-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n", "ssh-ed25519 AAAA", "SHA256:x")
            ),
            ItemSpec("cut", SshKey(cut(pair_of("Ed25519").private.decode()), "ssh-ed25519 AAAA", "SHA256:x")),
            ItemSpec("prod-db", Login("deploy", "p4ss"), fields=(FieldSpec("SSH_AUTH_SOCK", "of an item"),)),
        ),
    )


def content(item: str) -> SshKey:
    """Return the contents of an item whose key can be used."""
    pair = pair_of(item)
    text = pair.private.decode()
    return SshKey(ODD_LINE_ENDS[item](text) if item in ODD_LINE_ENDS else text, pair.public, "SHA256:x")


def cut(text: str) -> str:
    """Cut the contents of a key in OpenSSH's form short: the head is whole, the key is not."""
    begin, *lines, end = text.strip().splitlines()
    contents = base64.b64decode("".join(lines))[:60]
    return f"{begin}\n{base64.b64encode(contents).decode('ascii')}\n{end}\n"
