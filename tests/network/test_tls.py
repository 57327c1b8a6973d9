"""Who is trusted: certificates that are not, private CAs by each of three ways, and the command's own trust."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from tests.login.test_login_failures import AT_ONCE, CHEAP, PASSWORD, fail, messages
from tests.server.control import BitwardenServer
from tests.server.specs import AccountSpec
from tests.server.tls import CertificateKind
from tests.support.files import write_private
from tests.support.front import close_after_alert
from tests.support.program import Surroundings

PRIVATE_CA = "if this is your private CA, trust it with `--ca-file FILE`"
SHOW_CA = ("--", "sh", "-c", 'echo "$NODE_EXTRA_CA_CERTS"; cat "$NODE_EXTRA_CA_CERTS"')


def test_unknown_ca(ready: Surroundings, server: BitwardenServer) -> None:
    """A server whose CA is not trusted is not logged in to; the error names who issued its certificate."""
    done = fail(ready, env={"SSL_CERT_FILE": None}, verbose=False)

    assert messages(done)[0].startswith(f"error: the certificate of {server.url}, issued by `")
    assert "trustme" in messages(done)[0]
    assert messages(done)[0].endswith(
        "` is not trusted: unable to get local issuer certificate [network.tls-untrusted]"
    )
    assert messages(done)[1:] == [f"hint: {PRIVATE_CA}"]
    assert server.requests() == []


TIMES = "{0}, and the clock of this machine says {0}".format(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} UTC")
NO_INTERMEDIATE = (
    "if `[^`]*trustme[^`]*` is an intermediate CA, the server does not send its intermediate certificate:"
    " configure it to send the full chain"
)


@pytest.mark.parametrize(
    ("certificate", "why", "hints"),
    [
        ("self-signed", "self-signed certificate", [PRIVATE_CA]),
        (
            "expired", "certificate has expired",
            [f"it expired on {TIMES}", "renew the certificate on the server, or correct the clock of this machine"],
        ),
        (
            "not-yet-valid", "certificate is not yet valid",
            [f"it is valid from {TIMES}", "correct the clock of this machine if it is slow"],
        ),
        (
            "wrong-host", "Hostname mismatch, certificate is not valid for 'localhost'.",
            ["the certificate is for `elsewhere.example`: check the host name in `--server`"],
        ),
        ("no-intermediate", "unable to get local issuer certificate", [NO_INTERMEDIATE, PRIVATE_CA]),
    ],
)  # fmt: skip
def test_bad_certificate(bare: Surroundings, certificate: CertificateKind, why: str, hints: list[str]) -> None:
    """A certificate is refused by what is wrong with it, and the hint says what to do about that."""
    with BitwardenServer.start(certificate=certificate) as server:
        account = server.add_account(AccountSpec("tls@example.com", PASSWORD, kdf=CHEAP))
        bare.use(server, account)

        done = fail(bare)
        asked = server.requests()

    assert messages(done)[0].endswith(f"is not trusted: {why} [network.tls-untrusted]")
    assert len(messages(done)) == 1 + len(hints)
    assert all(re.fullmatch(f"hint: {hint}", line) for hint, line in zip(hints, messages(done)[1:], strict=True))
    assert asked == []


@pytest.mark.parametrize("certificate", ["plain", "full-chain"])
def test_good_certificates(bare: Surroundings, certificate: CertificateKind) -> None:
    """A CA without key usage, a certificate without key identifiers, and one of an intermediate CA are accepted."""
    with BitwardenServer.start(certificate=certificate) as server:
        bare.use(server, server.add_account(AccountSpec("tls@example.com", PASSWORD, kdf=CHEAP)))

        done = bare.run("--", "true")

    assert (done.status, done.stderr) == (0, "")


def test_http_at_an_https_address(ready: Surroundings) -> None:
    """A server that speaks plain http where https was expected gets nothing, and the hint says what may be wrong."""
    with BitwardenServer.start(certificate=None) as plain:
        done = fail(ready, "--server", plain.url.replace("http://", "https://"))
        asked = plain.requests()

    assert done.codes == ["network.tls"]
    assert messages(done)[1] == "hint: check that the server speaks https on that port"
    assert asked == []


def test_https_at_an_http_address(ready: Surroundings, server: BitwardenServer) -> None:
    """A server that speaks https where plain http was asked for is recognized at the first try."""
    plain = server.url.replace("https://", "http://")

    done = fail(ready, "--server", plain)

    assert messages(done) == [
        f"error: {plain} speaks https, not http [network.tls]",
        f"hint: change the address to {server.url}",
    ]


@contextmanager
def tls_server(authority: trustme.CA, *, wants_certificate: bool = False, newest: bool = True) -> Iterator[str]:
    """Do handshakes for localhost with a certificate of this authority, and nothing more; give the URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    if wants_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    if not newest:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    def shake_hands(connection: socket.socket) -> None:
        client = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with suppress(OSError):
            client.do_handshake()
        close_after_alert(client)

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                threading.Thread(target=shake_hands, args=(listener.accept()[0],), daemon=True).start()
            except OSError:
                if listener.fileno() < 0:
                    return

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, args=(listener,), daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(AT_ONCE)


@pytest.mark.parametrize(
    ("newest", "alert", "hint"),
    [
        (True, "certificate required", "the server requires a client certificate: set `--client-cert FILE`"),
        (
            False, "handshake failure",
            "the server may require a client certificate (`--client-cert FILE`), or other ciphers",
        ),
    ],
    ids=["TLS 1.3", "TLS 1.2"],
)  # fmt: skip
def test_alerts(ready: Surroundings, tmp_path: Path, hint: str, alert: str, *, newest: bool) -> None:
    """A TLS alert, which TLS 1.3 may send after the handshake, is named, and the login is not tried again."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    write_private(tmp_path / "secret", ready.environment["BW_CLIENTSECRET"])
    early: dict[str, str | None] = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
    late = {**early, "BW_CLIENTSECRET": None, "BW_CLIENTSECRET_FILE": str(tmp_path / "secret")}

    with tls_server(authority, wants_certificate=True, newest=newest) as url:
        ends = [fail(ready, "--server", url, env=env) for env in (early, late)]

    assert [messages(done) for done in ends] == 2 * [
        [
            f"error: {url} closed the TLS connection with the alert `{alert}` [network.tls]",
            f"hint: {hint}",
        ]
    ]


def test_issuer_with_control_characters(ready: Surroundings) -> None:
    """The issuer's name is a stranger's text: it cannot move the cursor or forge a line."""
    authority = trustme.CA(organization_name="Evil\x1b[2J\nbwrun: error: x [x.y]", organization_unit_name="`\x9b")
    with tls_server(authority) as url:
        done = fail(ready, "--server", url)

    assert done.codes == ["network.tls-untrusted"]
    assert "Evil" in messages(done)[0]
    assert not {"\x1b", "\x9b"} & set(done.stderr)


@pytest.mark.parametrize("way", ["--ca-file", "BWRUN_CA_FILE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"])
def test_private_ca(ready: Surroundings, server: BitwardenServer, way: str) -> None:
    """A private CA is trusted by each of the ways, and handed on to the command's `bw` by an absolute path."""
    shutil.copy(server.ca_file, ready.work / "ca.pem")  # relative to the working directory
    options = [way, "ca.pem"] if way.startswith("--") else []
    env: dict[str, str | None] = {"SSL_CERT_FILE": None}

    done = ready.run(*options, *SHOW_CA, env=env if options else {**env, way: "ca.pem"})
    path, _, content = done.stdout.partition("\n")

    assert (done.status, done.stderr) == (0, "")
    assert path == str(ready.work / "ca.pem")
    assert content == server.ca_file.read_text()


def test_several_ca_files(ready: Surroundings, server: BitwardenServer, tmp_path: Path) -> None:
    """Where several files are trusted, the command gets one readable file with all of their certificates."""
    authority = trustme.CA()
    other = tmp_path / "other.pem"
    authority.cert_pem.write_to_path(other)

    done = ready.run(
        "--ca-file", other, "--", "sh", "-c",
        'cat "$NODE_EXTRA_CA_CERTS"; stat -c %a "$NODE_EXTRA_CA_CERTS"; echo "$SSL_CERT_FILE"',
        env={"SSL_CERT_FILE": str(server.ca_file)},
    )  # fmt: skip

    assert (done.status, done.stderr) == (0, "")
    for pem in (other.read_text(), server.ca_file.read_text()):
        assert pem.strip() in done.stdout
    assert done.stdout.splitlines()[-2:] == ["600", str(server.ca_file)]


def test_own_ca_does_not_replace_that_of_others(ready: Surroundings, tmp_path: Path) -> None:
    """A CA that is trusted is trusted for what it issued, not for the certificate of another one."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)

    done = fail(ready, "--ca-file", other, env={"SSL_CERT_FILE": None})

    assert done.codes == ["network.tls-untrusted"]


NO_CERTIFICATE = "the CA file `{path}` (from {way}) contains no certificate"


@pytest.mark.parametrize(
    ("way", "kind", "said"),
    [
        ("--ca-file", "missing", "cannot read the CA file `{path}` (from {way}): No such file or directory"),
        ("SSL_CERT_FILE", "missing", "cannot read the CA file `{path}` (from {way}): No such file or directory"),
        (
            "NODE_EXTRA_CA_CERTS",
            "missing",
            "cannot read the CA file `{path}` (from {way}): No such file or directory",
        ),
        ("--ca-file", "loop", "cannot read the CA file `{path}` (from {way}): Too many levels of symbolic links"),
        ("--ca-file", "empty", NO_CERTIFICATE),
        ("SSL_CERT_FILE", "empty", NO_CERTIFICATE),
        ("--ca-file", "key", NO_CERTIFICATE),
        ("SSL_CERT_FILE", "key", NO_CERTIFICATE),
        ("--ca-file", "folder", "cannot read the CA file `{path}` (from {way}): Is a directory"),
    ],
    ids=lambda value: value if len(value) < 20 else "",
)
def test_unusable_ca_file(ready: Surroundings, server: BitwardenServer, way: str, kind: str, said: str) -> None:
    """A CA file that cannot be read, or has no certificate in it, is one clear error before anything is asked."""
    path = ready.work / "ca.pem"
    if kind == "folder":
        path.mkdir()
    elif kind == "key":
        trustme.CA().private_key_pem.write_to_path(path)
    elif kind == "empty":
        path.touch()
    elif kind == "loop":
        path.symlink_to(path)
    options = [way, str(path)] if way.startswith("--") else []
    env: dict[str, str | None] = {"SSL_CERT_FILE": str(server.ca_file), **({} if options else {way: str(path)})}

    done = fail(ready, *options, env=env)

    assert messages(done)[0] == f"error: {said.format(way=way, path=path)} [config.ca-file]"
    assert server.requests() == []


def test_ca_file_comes_before_credentials(ready: Surroundings) -> None:
    """What can fail offline fails before anybody is asked for a credential: a CA file without a certificate too."""
    (ready.work / "ca.pem").touch()
    credentials = dict.fromkeys(("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD"))

    done = fail(ready, "--ca-file", "ca.pem", env=credentials)

    assert done.codes == ["config.ca-file"]
