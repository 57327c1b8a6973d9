"""Private SSH keys in each form that a vault may hold, made by ssh-keygen and OpenSSL, read by ssh-keygen."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bwrun.base.errors import CryptoError
from bwrun.crypto.ssh_key import to_openssh
from tests.support.openssh import ENCRYPTED, FORMS, key_pair, openssl_key, read_public, tool

BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----\n"
END = b"-----END OPENSSH PRIVATE KEY-----\n"
LINE_ENDS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda text: text,
    "no newline at the end": lambda text: text.rstrip(b"\n"),
    "CRLF": lambda text: text.replace(b"\n", b"\r\n"),
    "spaces around": lambda text: b"\r\n  " + text + b" \t\n",
}


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    """See that there is what makes and reads keys."""
    tool("ssh-keygen")
    tool("openssl")


def written(path: Path, key: bytes) -> Path:
    """Write a private key as ssh-keygen wants it: for nobody else to read."""
    path.touch(mode=0o600)
    path.write_bytes(key)
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("line_ends", LINE_ENDS)
def test_each_form(tmp_path: Path, form: str, line_ends: str) -> None:
    """Each form, with any line ends, becomes the same key in OpenSSH's form, which ssh-keygen reads."""
    pair = key_pair(form)
    converted = to_openssh(LINE_ENDS[line_ends](pair.private))

    assert converted.startswith(BEGIN)
    assert converted.endswith(END)
    assert b"\r" not in converted
    assert " ".join(read_public(written(tmp_path / "key", converted))[:2]) == pair.public


def test_comment_stays(tmp_path: Path) -> None:
    """A key in OpenSSH's form keeps its comment, which `ssh-add -l` shows."""
    converted = to_openssh(key_pair("Ed25519").private)

    assert read_public(written(tmp_path / "key", converted))[2] == "comment of Ed25519"


@pytest.mark.parametrize("form", ENCRYPTED)
def test_with_a_passphrase(form: str) -> None:
    """A key that needs a passphrase is an error of its own."""
    with pytest.raises(CryptoError, match="passphrase") as caught:
        to_openssh(key_pair(form, "s3cret").private)

    assert caught.value.code == "crypto.ssh-passphrase"


def test_pkcs8_with_a_passphrase() -> None:
    """PKCS#8 as OpenSSL encrypts it is that error too."""
    with pytest.raises(CryptoError) as caught:
        to_openssh(openssl_key("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:s3cret"))

    assert caught.value.code == "crypto.ssh-passphrase"


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\n", b"-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n", b"ssh-ed25519 AAAA", b"\xff\0",
        BEGIN, BEGIN + END, BEGIN + b"AAAA\n" + END, BEGIN + b"not base64!\n" + END,
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI\n",
    ],
)  # fmt: skip
def test_no_key(text: bytes) -> None:
    """What is no private key is an error, and its text is not in the message."""
    with pytest.raises(CryptoError) as caught:
        to_openssh(text)

    assert caught.value.code == "crypto.ssh-key"
    assert "AAAA" not in caught.value.message


@pytest.mark.parametrize(
    "words",
    [
        ("genpkey", "-algorithm", "x25519"),
        ("genpkey", "-algorithm", "ed448"),
        ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"),
    ],
    ids=lambda words: words[-1],
)
def test_types_that_ssh_does_not_know(words: tuple[str, ...]) -> None:
    """A private key that SSH has no use for is that error too."""
    with pytest.raises(CryptoError) as caught:
        to_openssh(openssl_key(*words))

    assert caught.value.code == "crypto.ssh-key"


def test_dsa() -> None:
    """DSA, which OpenSSH has given up, is an error, without a warning of a library."""
    parameters = openssl_key("genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:1024")
    words = [tool("openssl"), "genpkey", "-paramfile", "/dev/stdin"]
    key = subprocess.run(words, input=parameters, capture_output=True, check=True).stdout
    with pytest.raises(CryptoError) as caught:
        to_openssh(key)

    assert caught.value.code == "crypto.ssh-key"
