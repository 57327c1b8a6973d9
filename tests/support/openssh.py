"""OpenSSH's and OpenSSL's programs, and the keys that they make, in each form that a vault may hold."""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.needs import program

PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))  # sshd is for the administrator
# What ssh-keygen is asked for: the type, then the form of the file.
_ASKED = {
    "Ed25519": ["-t", "ed25519"],
    "RSA": ["-t", "rsa", "-b", "2048"],
    "ECDSA P-256": ["-t", "ecdsa", "-b", "256"],
    "ECDSA P-384": ["-t", "ecdsa", "-b", "384"],
    "ECDSA P-521": ["-t", "ecdsa", "-b", "521"],
    "RSA in PKCS#8": ["-t", "rsa", "-b", "2048", "-m", "PKCS8"],
    "RSA in PKCS#1": ["-t", "rsa", "-b", "2048", "-m", "PEM"],
    "ECDSA in PKCS#8": ["-t", "ecdsa", "-m", "PKCS8"],
    "ECDSA in SEC 1": ["-t", "ecdsa", "-m", "PEM"],
}
_ED25519_PKCS8 = "Ed25519 in PKCS#8"  # only OpenSSL writes it
FORMS = (*_ASKED, _ED25519_PKCS8)
ENCRYPTED = ("Ed25519", "RSA in PKCS#8", "RSA in PKCS#1")  # forms that differ in how a passphrase is used


@dataclass(frozen=True)
class KeyPair:
    """A private key as a file has it, and the public half as `authorized_keys` has it, without a comment."""

    private: bytes
    public: str


def secret_piece(text: bytes) -> bytes:
    """
    Return a piece of an Ed25519 key in OpenSSH's form, out of its secret half.

    It is base64, and on one line whether the text has lines of 70 characters (ssh-keygen's) or of 76 (Python's).
    """
    body = b"".join(text.splitlines()[1:-1])
    return body[230:254]  # the seed is at 161 to 193 of the bytes (PROTOCOL.key), so at 215 to 257 of the characters


def tool(name: str) -> str:
    """Return a program's path; a machine without it skips the test, CI must have it."""
    return program(name, f"{name} is not installed (the Makefile names its package in TOOLS)", PATH)


@cache
def key_pair(form: str, passphrase: str = "", comment: str = "") -> KeyPair:
    """Make a key in one of FORMS; for the same arguments the same one each time."""
    if form == _ED25519_PKCS8:
        return _openssl_ed25519()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "key"
        words = [
            tool("ssh-keygen"),
            "-q",
            "-C",
            comment or f"comment of {form}",
            "-N",
            passphrase,
            "-f",
            str(file),
            *_ASKED[form],
        ]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        return KeyPair(file.read_bytes(), " ".join((Path(folder) / "key.pub").read_text().split()[:2]))


def openssl_key(*words: str) -> bytes:
    """Return the private key that `openssl WORDS…` prints."""
    return subprocess.run([tool("openssl"), *words], check=True, capture_output=True).stdout


def _openssl_ed25519() -> KeyPair:
    private = openssl_key("genpkey", "-algorithm", "ed25519")
    words = [tool("openssl"), "pkey", "-pubout", "-outform", "DER"]
    raw = subprocess.run(words, check=True, input=private, capture_output=True).stdout[-32:]  # RFC 8410 4
    fields = (b"ssh-ed25519", raw)  # RFC 8709 4
    blob = b"".join(len(field).to_bytes(4) + field for field in fields)
    return KeyPair(private, f"ssh-ed25519 {base64.b64encode(blob).decode('ascii')}")


def read_public(file: Path) -> list[str]:
    """Return the words of the public half that ssh-keygen reads from a private key: type, key, comment."""
    done = subprocess.run(
        [tool("ssh-keygen"), "-y", "-P", "", "-f", file], check=True, capture_output=True, encoding="utf-8"
    )
    return done.stdout.strip().split(" ", 2)
