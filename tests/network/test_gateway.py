"""What servers may want to see besides the login: client certificates and headers, for them and for nobody else."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.login.test_login_failures import CHEAP, PASSWORD, TOKEN, fail, messages
from tests.server.control import Account, BitwardenServer
from tests.server.faults import Fault, Redirect, Status
from tests.server.specs import AccountSpec, AttachmentSpec, ItemSpec, Login, OrganizationSpec
from tests.settings.test_servers_run import port_of
from tests.supervisor.clearing import SLEEP, Run
from tests.support.files import write_private
from tests.support.front import Front, front, write_client
from tests.support.program import BWRUN, Surroundings
from tests.support.proxies import connect_proxy
from tests.support.terminal import Terminal, wait_until

VALUE = "canary-7f3a/secret=="
HEADERS = ("# Cloudflare Access", "", "CF-Access-Client-Id: 1.access", f"CF-Access-Client-Secret:\t{VALUE}  ")
LIFETIME = 4  # seconds: such a token is renewed after three
PASSPHRASE = "canary open sesame"
ITEM = ItemSpec("file", Login("u", "p4ss"), attachments=(AttachmentSpec("a.txt", b"content"),))
SPEC = AccountSpec("access@example.com", PASSWORD, kdf=CHEAP, items=(ITEM,))


@dataclass(frozen=True)
class Guarded:
    """Surroundings for a server without TLS of its own, and the files of a client certificate for a front of it."""

    surroundings: Surroundings
    server: BitwardenServer
    account: Account
    clients: trustme.CA
    certificate: Path
    key: Path
    header_file: Path

    def use(self, place: Front) -> None:
        """Let runs ask the server by way of its front."""
        self.surroundings.environment |= {"BWRUN_SERVER": place.url, "SSL_CERT_FILE": str(place.ca_file)}

    def requests_with_header(self) -> dict[str, bool]:
        """Return the paths that were asked for, and whether the secret header came with all of those requests."""
        found: dict[str, bool] = {}
        for request in self.server.requests():
            came = request.headers.get("cf-access-client-secret") == VALUE
            found[request.path] = came and found.get(request.path, True)
        return found


@pytest.fixture(scope="module")
def plain() -> Iterator[BitwardenServer]:
    """Start a server without TLS, which stands behind what the tests put in front of it."""
    with BitwardenServer.start(certificate=None) as running:
        yield running


@pytest.fixture
def guarded(bare: Surroundings, plain: BitwardenServer, tmp_path: Path) -> Iterator[Guarded]:
    """Give surroundings with an account, a client certificate and a file of headers."""
    plain.clear_faults()
    account = plain.add_account(SPEC)
    bare.use(plain, account)
    clients = trustme.CA()
    certificate, key = write_client(tmp_path, clients, "deploy")
    header_file = write_private(tmp_path / "headers", *HEADERS)
    plain.clear_requests()
    yield Guarded(bare, plain, account, clients, certificate, key, header_file)

    plain.clear_faults()


@pytest.mark.parametrize("newest", [True, False], ids=["TLS 1.3", "TLS 1.2"])
def test_client_certificate(guarded: Guarded, tmp_path: Path, *, newest: bool) -> None:
    """A server that requires a client certificate gets the one that is set, over every connection."""
    options = ("--client-cert", guarded.certificate, "--client-key", guarded.key)
    with front(tmp_path, int(port_of(guarded.server)), guarded.clients, newest=newest) as place:
        guarded.use(place)
        done = guarded.surroundings.run(*options, "--", "true")
        checked = guarded.surroundings.run(*options, "--check", "-e", "P=bw://file/password", "--", "true")

    assert (done.status, done.stderr) == (0, "")
    assert (checked.status, checked.stderr) == (0, "")
    assert set(place.shown) == {"deploy"}


def test_one_file_for_both(guarded: Guarded, tmp_path: Path) -> None:
    """Certificate and key can be in one file, which a variable can name, relative to the working directory."""
    text = guarded.certificate.read_text() + guarded.key.read_text()
    write_private(guarded.surroundings.work / "both.pem", text)
    with front(tmp_path, int(port_of(guarded.server)), guarded.clients) as place:
        guarded.use(place)
        done = guarded.surroundings.run("--", "env", env={"BWRUN_CLIENT_CERT": "both.pem"})

    assert (done.status, done.stderr) == (0, "")
    assert "BWRUN_CLIENT_CERT" not in done.stdout


def encrypt(key: Path, way: str) -> Path:
    """Return a file with the same key, encrypted in one of the two forms that openssl writes."""
    encrypted = key.with_suffix(".encrypted")
    command = {"PKCS#8": ["pkcs8", "-topk8"], "traditional": ["ec", "-aes256"]}[way]
    passphrase = ("-passout", f"pass:{PASSPHRASE}")
    subprocess.run(["openssl", *command, "-in", key, "-out", encrypted, *passphrase], check=True, capture_output=True)
    encrypted.chmod(0o600)
    return encrypted


@pytest.mark.parametrize("way", ["PKCS#8", "traditional"])
def test_encrypted_key_with_a_file(guarded: Guarded, tmp_path: Path, way: str) -> None:
    """The passphrase of an encrypted key can come from a file, of which one newline at the end does not count."""
    key = encrypt(guarded.key, way)
    passphrase = write_private(tmp_path / "passphrase", PASSPHRASE)
    options = ("--client-cert", guarded.certificate, "--client-key", key, "--client-key-password-file", passphrase)
    with front(tmp_path, int(port_of(guarded.server)), guarded.clients) as place:
        guarded.use(place)
        done = guarded.surroundings.run("-v", *options, "--", "true")

    assert done.status == 0
    assert set(place.shown) == {"deploy"}
    assert "canary" not in done.stderr


def test_encrypted_key_with_a_prompt(guarded: Guarded, tmp_path: Path) -> None:
    """Without a file the passphrase is asked for on the terminal, by bwrun and unseen."""
    key = encrypt(guarded.key, "PKCS#8")
    command: list[str | Path] = [BWRUN, "--client-cert", guarded.certificate, "--client-key", key, "--", "echo", "ran"]
    with front(tmp_path, int(port_of(guarded.server)), guarded.clients) as place:
        guarded.use(place)
        surroundings = guarded.surroundings
        with Terminal.start(command, surroundings.environment, surroundings.work) as terminal:
            terminal.wait_for(f"passphrase of {key}: ")
            echoes = terminal.echoes()
            terminal.type(f"{PASSPHRASE}\n")

            assert terminal.ended() == 0
            assert terminal.screen == f"passphrase of {key}: \nran\n"
            assert not echoes


def test_encrypted_key_without_a_terminal(guarded: Guarded) -> None:
    """Where nobody can be asked, the error says where to put the passphrase; nothing is sent."""
    key = encrypt(guarded.key, "PKCS#8")

    done = fail(guarded.surroundings, "--client-cert", guarded.certificate, "--client-key", key)

    assert messages(done) == [
        f"error: the passphrase of `{key}` is not set, and there is no terminal to ask for it [credentials.missing]",
        "hint: put it into a file, and name that with `--client-key-password-file FILE`",
    ]
    assert guarded.server.requests() == []


@pytest.mark.parametrize("passphrase", ["wrong", "x" * 2000], ids=["wrong", "long"])
def test_wrong_passphrase(guarded: Guarded, tmp_path: Path, passphrase: str) -> None:
    """A wrong passphrase is said to be one, and nothing is sent."""
    key = encrypt(guarded.key, "PKCS#8")
    file = write_private(tmp_path / "passphrase", passphrase)
    options = ("--client-cert", guarded.certificate, "--client-key", key, "--client-key-password-file", file)

    done = fail(guarded.surroundings, *options)

    assert messages(done) == [f"error: wrong passphrase for the private key in `{key}` [config.client-key]"]
    assert guarded.server.requests() == []


PEM_HINT = "hint: it must be in PEM form; convert a .p12 or .pfx file with `openssl pkcs12 -in FILE -out client.pem`"
KEY_HINT = "hint: if the key is in a file of its own, name it with `--client-key FILE`"
MISSING = "No such file or directory"
DAMAGED = "-----BEGIN {0}-----\nAAAA\n-----END {0}-----\n"


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        (None, "", [f"error: cannot read `{{cert}}` (from --client-cert): {MISSING} [config.client-cert]"]),
        ("", None, [f"error: cannot read `{{key}}` (from --client-key): {MISSING} [config.client-key]"]),
        ("none", "", ["error: `{cert}` (from --client-cert) contains no certificate [config.client-cert]", PEM_HINT]),
        ("", "none", ["error: `{key}` (from --client-key) contains no private key [config.client-key]", PEM_HINT]),
        (
            "", "other",
            [
                "error: the private key in `{key}` does not belong to the certificate in `{cert}` [config.client-key]",
            ],
        ),
        (
            DAMAGED.format("CERTIFICATE"), "",
            ["error: cannot read the certificate in `{cert}`: it is damaged [config.client-cert]"],
        ),
        (
            "", DAMAGED.format("PRIVATE KEY"),
            ["error: cannot read the private key in `{key}`: it is damaged [config.client-key]"],
        ),
    ],
    ids=["no file", "no key file", "no certificate", "no key", "another key", "damaged", "damaged key"],
)  # fmt: skip
def test_unusable_certificate(guarded: Guarded, certificate: str | None, key: str | None, said: list[str]) -> None:
    """What is wrong with certificate or key is found before anything is asked for and before any request."""
    _, other = write_client(guarded.key.parent, guarded.clients, "other")
    for file, content in ((guarded.certificate, certificate), (guarded.key, key)):
        if content is None:
            file.unlink()
        elif content:
            file.write_text(other.read_text() if content == "other" else content)
    env = dict.fromkeys(("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD"))

    done = fail(
        guarded.surroundings, "--client-cert", guarded.certificate, "--client-key", guarded.key, env=env
    )  # fmt: skip

    assert messages(done) == [line.format(cert=guarded.certificate, key=guarded.key) for line in said]


def test_certificate_without_its_key(guarded: Guarded, tmp_path: Path) -> None:
    """A file with a certificate alone needs another one for the key; a key alone, or a pipe, is not enough."""
    alone = fail(guarded.surroundings, "--client-cert", guarded.certificate)
    key = fail(guarded.surroundings, "--client-key", guarded.key)
    pipe = fail(guarded.surroundings, "--client-cert", "/dev/null")

    assert messages(alone) == [
        f"error: `{guarded.certificate}` (from --client-cert) contains no private key [config.client-key]",
        KEY_HINT,
        PEM_HINT,
    ]
    assert messages(key) == ["error: `--client-key` is set without `--client-cert` [usage.conflict]", "hint: set both"]
    assert messages(pipe) == ["error: `/dev/null` (from --client-cert) is not a regular file [config.client-cert]"]


def test_certificate_that_the_server_rejects(guarded: Guarded, tmp_path: Path) -> None:
    """A certificate of another CA is not accepted by the server, and the error does not ask for a certificate."""
    certificate, key = write_client(tmp_path, trustme.CA(), "stranger")
    with front(tmp_path, int(port_of(guarded.server)), guarded.clients) as place:
        guarded.use(place)
        done = fail(guarded.surroundings, "--client-cert", certificate, "--client-key", key)

    assert messages(done) == [
        f"error: {place.url} closed the TLS connection with the alert `unknown ca` [network.tls]",
        "hint: the server rejected the client certificate: check `--client-cert`",
    ]


def test_page_about_a_client_certificate(guarded: Guarded) -> None:
    """What nginx says to a client without a certificate is an HTML page, which is understood."""
    page = "<html><head><title>400 No required SSL certificate was sent</title></head></html>"
    guarded.server.set_fault(Fault(TOKEN, Status(400, page, "text/html")))

    done = fail(guarded.surroundings)

    assert messages(done) == [
        f"error: {guarded.server.url} requires a valid client certificate (400) [server.client-certificate]",
        "hint: set `--client-cert FILE`",
    ]


def test_certificate_for_configured_servers_alone(guarded: Guarded, tmp_path: Path) -> None:
    """A server that an attachment's URL names gets no certificate, and neither does one that has not been set."""
    options = ("--client-cert", guarded.certificate, "--client-key", guarded.key, "--no-session")
    with (
        front(tmp_path, int(port_of(guarded.server)), guarded.clients) as place,
        BitwardenServer.start() as other,
        front(tmp_path, int(port_of(guarded.server)), guarded.clients, required=False) as elsewhere,
    ):
        guarded.use(place)
        url = json.dumps({"url": f"{elsewhere.url}/attachments/1/2"})
        guarded.server.set_fault(Fault("", Status(200, url), skip=2, count=1))
        bundle = tmp_path / "bundle.pem"
        bundle.write_text("".join(one.read_text() for one in (place.ca_file, elsewhere.ca_file, other.ca_file)))
        done = guarded.surroundings.run(
            *options, "--ca-file", bundle, "-e", "F=bw://file/attachment/a.txt", "--", "true"
        )

    assert done.codes == ["server.attachment"]  # there is no such file
    assert set(place.shown) == {"deploy"}
    assert set(elsewhere.shown) == {""}


def test_headers(guarded: Guarded) -> None:
    """The headers in a file go with each request to the server, and are neither shown nor given to the command."""
    words = ("-v", "--header-file", guarded.header_file, "--", "env")
    done = guarded.surroundings.run(*words)

    assert done.status == 0
    assert guarded.requests_with_header() == {
        "/identity/connect/token": True,
        "/api/sync": True,
        "/api/config": True,
    }
    assert guarded.server.requests()[0].headers["cf-access-client-id"] == "1.access"
    assert VALUE not in done.stdout + done.stderr


def test_headers_for_configured_servers_alone(guarded: Guarded, tmp_path: Path) -> None:
    """A host that an attachment's URL names gets none; the Key Connector that was set does, one that is named not."""
    words = ("--no-session", "-e", "F=bw://file/attachment/a.txt", "--", "true")
    with front(tmp_path, int(port_of(guarded.server)), guarded.clients, required=False) as place:
        guarded.use(place)  # but attachments are at the server itself
        done = guarded.surroundings.run("--header-file", guarded.header_file, *words)

    assert (done.status, done.stderr) == (0, "")
    found = guarded.requests_with_header()
    assert {path.split("/")[1]: came for path, came in found.items()} == {
        "identity": True, "api": True, "attachments": False,
    }  # fmt: skip


@pytest.mark.parametrize("configured", [True, False])
def test_headers_for_a_key_connector(guarded: Guarded, tmp_path: Path, *, configured: bool) -> None:
    """A Key Connector gets the headers if its address was set by the user, not if the server names it."""
    account = guarded.server.add_account(
        AccountSpec("kc@example.com", "", key_connector=True, organizations=(OrganizationSpec("Work"),))
    )
    guarded.surroundings.use(guarded.server, account)
    del guarded.surroundings.environment["BW_PASSWORD"]
    connector = f"{guarded.server.url}/key-connector"
    with front(tmp_path, int(port_of(guarded.server)), guarded.clients, required=False) as place:
        guarded.use(place)
        env = {"BWRUN_KEY_CONNECTOR_URL": connector if configured else None, "BW_PASSWORD": "unused"}
        done = guarded.surroundings.run("--header-file", guarded.header_file, "--", "true", env=env)

    assert (done.status, done.stderr) == (0, "")
    assert guarded.requests_with_header()["/key-connector/user-keys"] == configured
    assert guarded.requests_with_header()["/identity/connect/token"]


def test_headers_do_not_follow_a_redirect(guarded: Guarded) -> None:
    """An answer that redirects to another server does not take them there; within the server they go along."""
    with BitwardenServer.start(certificate=None) as other:
        guarded.server.set_fault(Fault(TOKEN, Redirect(f"{other.url}/identity/connect/token", 307), count=1))
        away = guarded.surroundings.run("--header-file", guarded.header_file, "--", "true")
        asked = other.requests()
    guarded.server.set_fault(Fault("/api/sync", Redirect("/api/sync?again=1", 302), count=1))
    within = guarded.surroundings.run("--header-file", guarded.header_file, "--", "true")

    assert away.codes == ["server.redirect"]
    assert asked == []
    assert (within.status, within.stderr) == (0, "")
    assert guarded.requests_with_header()["/api/sync"]


def test_redirect_to_cloudflare_access(guarded: Guarded) -> None:
    """A server behind Cloudflare Access redirects to its login page: the hint says what to do."""
    guarded.server.set_fault(Fault(TOKEN, Redirect("https://team.cloudflareaccess.com/cdn-cgi/access/login", 302)))

    done = fail(guarded.surroundings)

    assert messages(done) == [
        f"error: {guarded.server.url} redirects to https://team.cloudflareaccess.com [server.redirect]",
        "hint: create a service token in Cloudflare Access, and send it with `--header-file FILE`",
    ]


@pytest.mark.parametrize("status", [400, 429, 500])
def test_headers_in_a_servers_words(guarded: Guarded, status: int) -> None:
    """A server that says a header's value back does not get it shown."""
    body = json.dumps({"message": f"unknown secret {VALUE}, try again in 99999s", "error": VALUE})
    guarded.server.set_fault(Fault(TOKEN, Status(status, body)))

    done = fail(guarded.surroundings, "--header-file", guarded.header_file, "--timeout", "5")

    assert "canary" not in done.stderr


@pytest.mark.parametrize("way", ["http", "https"])
def test_through_a_proxy(guarded: Guarded, tmp_path: Path, way: str) -> None:
    """Certificate and headers go through a proxy to the server, and the proxy sees neither."""
    context = None
    ca_files: list[str | Path] = []
    if way == "https":
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "proxy.pem")
        ca_files = ["--ca-file", tmp_path / "proxy.pem"]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        context.verify_mode = ssl.CERT_OPTIONAL
        guarded.clients.configure_trust(context)
    options = ("--client-cert", guarded.certificate, "--client-key", guarded.key, "--header-file", guarded.header_file)
    with (
        front(tmp_path, int(port_of(guarded.server)), guarded.clients) as place,
        connect_proxy(context=context) as proxy,
    ):
        guarded.use(place)
        env = {"https_proxy": f"{way}://{proxy.host}"}
        done = guarded.surroundings.run(*options, *ca_files, "--", "true", env=env)

    assert (done.status, done.stderr) == (0, "")
    assert set(place.shown) == {"deploy"}
    assert all(guarded.requests_with_header().values())
    assert proxy.heads
    assert all("access" not in head.lower() for head in proxy.heads)


BAD_HEADERS: Mapping[str, tuple[str, str]] = {
    "no colon": ("canary", "line 1 is not a header"),
    "no name": (": canary", "line 1 is not a header"),
    "space in the name": ("A b: canary", "line 1 is not a header"),
    "space after the name": ("A : canary", "line 1 is not a header"),
    "folded": ("A: b\n canary", "line 2 is not a header"),
    "umlaut in the name": ("Ä: canary", "line 1 is not a header"),
    "no value": ("A: b\nCanary-X:  ", "line 2: the header `Canary-X` has no value"),
    "CR in the value": ("A: a\rB: canary", "line 1: the value of `A` contains a character that is not printable ASCII"),
    "NUL in the value": ("A: \0canary", "line 1: the value of `A` contains a character that is not printable ASCII"),
    "umlaut": ("A: canäry", "line 1: the value of `A` contains a character that is not printable ASCII"),
    "twice": ("A: b\na: canary", "line 2: the header `a` appears twice"),
    "Host": ("Host: canary", "line 1: bwrun sets the header `Host` itself"),
    "Authorization": ("authorization: Basic canary", "line 1: bwrun sets the header `authorization` itself"),
    "Content-Length": ("A: b\nContent-Length: 1", "line 2: bwrun sets the header `Content-Length` itself"),
    "Transfer-Encoding": ("Transfer-Encoding: canary", "line 1: bwrun sets the header `Transfer-Encoding` itself"),
    "Proxy-Authorization": ("Proxy-Authorization: c", "line 1: bwrun sets the header `Proxy-Authorization` itself"),
    "nothing": ("# A: canary\n", "contains no header"),
    "much": ("A: " + "canary" * 2000, "is larger than 8 KiB, which servers do not accept"),
}


@pytest.mark.parametrize("kind", BAD_HEADERS)
def test_unusable_headers(guarded: Guarded, kind: str) -> None:
    """A line that cannot be sent is named by its number and not shown, before anything is asked for."""
    content, said = BAD_HEADERS[kind]
    guarded.header_file.write_bytes(content.encode())
    env = dict.fromkeys(("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD"))

    done = fail(guarded.surroundings, "--header-file", guarded.header_file, env=env)

    assert messages(done)[0] == f"error: `{guarded.header_file}` {said} [config.header-file]"
    assert "canary" not in done.stderr
    assert guarded.server.requests() == []


def test_header_file_that_is_missing(guarded: Guarded) -> None:
    """The file is named, but not what may be a header in its place."""
    missing = fail(guarded.surroundings, "--header-file", "./nix")
    header = fail(guarded.surroundings, "--header-file", "Secret: canary")

    assert messages(missing) == [f"error: cannot read `./nix` (from --header-file): {MISSING} [config.header-file]"]
    assert messages(header) == [f"error: cannot read the file that --header-file names: {MISSING} [config.header-file]"]


def test_headers_with_windows_line_ends(guarded: Guarded) -> None:
    """CRLF ends a line too, and a byte order mark is no part of the first name."""
    guarded.header_file.write_bytes(f"\ufeffCF-Access-Client-Secret: {VALUE}\r\n".encode())

    done = guarded.surroundings.run("--header-file", guarded.header_file, "--", "true")

    assert (done.status, done.stderr) == (0, "")
    assert all(guarded.requests_with_header().values())


def test_headers_from_a_pipe(guarded: Guarded) -> None:
    """The file can be what a shell's process substitution gives."""
    done = guarded.surroundings.run("--header-file", "/dev/stdin", "--", "true", stdin="\n".join(HEADERS))

    assert (done.status, done.stderr) == (0, "")
    assert all(guarded.requests_with_header().values())


def test_files_that_others_can_read(guarded: Guarded) -> None:
    """Of a private key or a header file that other users can read, bwrun warns."""
    guarded.key.chmod(0o644)
    guarded.header_file.chmod(0o640)
    options = ("--client-cert", guarded.certificate, "--client-key", guarded.key, "--header-file", guarded.header_file)

    done = guarded.surroundings.run(*options, "--", "true")

    assert done.status == 0
    assert messages(done) == [
        f"warning: `{guarded.key}` can be read by other users (mode 0644)",
        f"hint: run `chmod 600 {guarded.key}`",
        f"warning: `{guarded.header_file}` can be read by other users (mode 0640)",
        f"hint: run `chmod 600 {guarded.header_file}`",
    ]


@pytest.mark.parametrize("name", ["CLIENT_CERT", "CLIENT_KEY", "CLIENT_KEY_PASSWORD_FILE", "HEADER_FILE"])
def test_not_from_a_found_env_file(guarded: Guarded, name: str) -> None:
    """A `.env` that was found may not set any of them; one that is named may."""
    write_private(guarded.surroundings.work / ".env", f"BWRUN_{name}=missing")

    found = guarded.surroundings.run("--", "true")
    named = guarded.surroundings.run("--env-file", ".env", "--", "true")

    assert found.status == 0
    assert f"BWRUN_{name}" in messages(found)[0]
    assert messages(found)[0].startswith("warning: ")
    assert named.status == 125


@pytest.mark.timeout(180)
def test_renewal(guarded: Guarded, tmp_path: Path) -> None:
    """A login that renews the token shows the same certificate, with a key that is encrypted, and the same headers."""
    guarded.server.change_spec(guarded.account, token_lifetime=LIFETIME)
    key = encrypt(guarded.key, "PKCS#8")
    passphrase = write_private(tmp_path / "passphrase", PASSPHRASE)
    options = ["--client-cert", str(guarded.certificate), "--client-key", str(key), "--client-key-password-file",
               str(passphrase), "--header-file", str(guarded.header_file)]  # fmt: skip

    def logins() -> int:
        return sum(request.path.endswith(TOKEN) for request in guarded.server.requests())

    with front(tmp_path, int(port_of(guarded.server)), guarded.clients) as place:
        guarded.use(place)
        with Run.start(guarded.surroundings, "--renew", *options, "--", *SLEEP) as run:
            run.wait_ready()
            passphrase.unlink()
            guarded.header_file.unlink()
            wait_until(lambda: logins() > 1, 60)
            run.kill(signal.SIGTERM)
            done = run.wait()

    assert done.stderr == ""
    assert set(place.shown) == {"deploy"}
    assert all(guarded.requests_with_header().values())


@pytest.mark.parametrize("name", ["SERVER", "KEY_CONNECTOR_URL"])
def test_not_to_a_server_of_a_found_env_file(guarded: Guarded, name: str) -> None:
    """A `.env` in a strange checkout, with an account of its own, gets no headers that are set for all runs."""
    environment = guarded.surroundings.environment
    own = [f"{one}={environment.pop(one)}" for one in ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD")]
    server = environment.pop("BWRUN_SERVER") if name == "SERVER" else environment["BWRUN_SERVER"]
    write_private(guarded.surroundings.work / ".env", *own, f"BWRUN_{name}={server}")
    for_all = {"BWRUN_HEADER_FILE": str(guarded.header_file)}

    done = fail(guarded.surroundings, env=for_all)
    assert done.codes == ["config.untrusted-server"]
    why = "and BWRUN_HEADER_FILE in the environment would send what it holds to that server"
    assert messages(done) == [
        f"error: BWRUN_{name} in `.env` line 4 names a server, {why} [{done.codes[0]}]",
        "hint: name the file to trust it: `--env-file .env`",
        "hint: or if BWRUN_HEADER_FILE in the environment is not for this server, take it out of this run",
    ]
    assert guarded.server.requests() == []

    for words in (("--env-file", ".env"), ("--header-file", guarded.header_file)):
        told = guarded.surroundings.run(*words, "--", "true", env=for_all if words[0] == "--env-file" else {})
        assert told.status == 0
        assert set(guarded.requests_with_header().values()) == {True}


def test_nested_run_at_the_outer_server(guarded: Guarded) -> None:
    """A nested run that logs in to the outer server by itself sends the headers there."""
    inner = (BWRUN, "--header-file", guarded.header_file, "--env-file", "own", "--session-api-key", "--", "true")
    own = guarded.surroundings.environment
    write_private(
        guarded.surroundings.work / "own",
        *(f"{name}={own[name]}" for name in ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD")),
    )

    assert guarded.surroundings.run("--header-file", guarded.header_file, "--", *inner).status == 0
    assert guarded.requests_with_header()["/identity/connect/token"]
    assert [request.path for request in guarded.server.requests()].count("/identity/connect/token") == 2
