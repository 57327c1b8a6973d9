"""Runs through proxies that the environment names: what the proxies see, and who is blamed for what goes wrong."""

from __future__ import annotations

import ssl
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest
import trustme

from tests.login.test_login_failures import AT_ONCE, CHEAP, SYNC, TOKEN, fail, messages
from tests.network.test_tls import tls_server
from tests.server.control import BitwardenServer
from tests.server.faults import CloseMidBody, Fault, Redirect, Reset, Status
from tests.server.specs import AccountSpec
from tests.server.tls import CertificateKind
from tests.settings.test_servers_run import port_of
from tests.support.program import Ended, Surroundings
from tests.support.proxies import (
    IN_URL,
    NOT_ALLOWED,
    PASSWORD,
    RunningProxy,
    connect_proxy,
    dead_address,
    proxy_that_says,
    silent_proxy,
    socks_proxy,
)

PATHS = {"/identity/connect/token", "/api/sync", "/api/config"}
HINT = "hint: check {}, or list the server in no_proxy to connect without the proxy"
NOTHING = b"Content-Length: 0\r\n\r\n"
NONSENSE = "nonsense://canary"


def assert_went_through(done: Ended, proxy: RunningProxy, server: BitwardenServer) -> None:
    """The run is as any other; the proxy saw where it went, and nothing else."""
    assert (done.status, done.stderr) == (0, "")
    assert {request.path for request in server.requests()} == PATHS
    assert proxy.asked
    assert set(proxy.asked) == {f"CONNECT localhost:{port_of(server)}"}


def assert_shows_no_login(done: Ended) -> None:
    """Neither the password of a proxy nor its form in a URL is printed."""
    assert PASSWORD not in done.stderr
    assert unquote(IN_URL) not in done.stderr
    assert "canary" not in done.stderr


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_runs_through_a_proxy(ready: Surroundings, server: BitwardenServer, name: str) -> None:
    """Each variable that names a proxy is followed."""
    with connect_proxy() as proxy:
        done = ready.run("--", "true", env={name: f"http://{proxy.host}"})

    assert_went_through(done, proxy, server)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("login", [False, True], ids=["open", "with a login"])
def test_runs_through_socks(ready: Surroundings, server: BitwardenServer, scheme: str, *, login: bool) -> None:
    """The same through a SOCKS proxy, which gets the server's name and looks it up itself."""
    with socks_proxy(login=login) as proxy:
        done = ready.run("--", "true", env={"ALL_PROXY": f"{scheme}://{IN_URL if login else ''}{proxy.host}"})

    assert_went_through(done, proxy, server)


def test_runs_through_a_proxy_with_a_login(ready: Surroundings, server: BitwardenServer) -> None:
    """User and password in the proxy's URL are sent to the proxy, and shown nowhere."""
    with connect_proxy(login=True) as proxy:
        done = ready.run("-v", "--", "true", env={"https_proxy": f"http://{IN_URL}{proxy.host}"})

    assert done.status == 0
    assert set(proxy.asked) == {f"CONNECT localhost:{port_of(server)}"}
    assert f"connecting through the proxy http://{proxy.host} (https_proxy)" in done.stderr
    assert_shows_no_login(done)


@contextmanager
def secured(directory: Path) -> Iterator[tuple[RunningProxy, Path]]:
    """Run a proxy that is reached over TLS; give it, and the file of the CA of its certificate."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = directory / "proxy-ca.pem"
    authority.cert_pem.write_to_path(file)
    with connect_proxy(context=context) as proxy:
        yield proxy, file


def test_runs_through_a_proxy_over_tls(ready: Surroundings, server: BitwardenServer, tmp_path: Path) -> None:
    """A proxy with a certificate of a private CA is trusted if that CA is."""
    with secured(tmp_path) as (proxy, ca_file):
        done = ready.run("--ca-file", ca_file, "--", "true", env={"https_proxy": f"https://{proxy.host}"})

    assert_went_through(done, proxy, server)


def test_a_proxy_over_tls_that_is_not_trusted(ready: Surroundings, tmp_path: Path) -> None:
    """Its certificate is named as the proxy's, not as the server's."""
    with secured(tmp_path) as (proxy, _):
        done = fail(ready, env={"https_proxy": f"https://{proxy.host}"})

    assert messages(done) == [
        (
            f"error: the certificate of the proxy https://{proxy.host} is not trusted:"
            " unable to get local issuer certificate [network.tls-untrusted]"
        ),
        "hint: if this is your private CA, trust it with `--ca-file FILE`",
        HINT.format("https_proxy"),
    ]


UNUSED = {
    "ALL_PROXY": "socks://127.0.0.1:9",
    "all_proxy": NONSENSE,
    "http_proxy": NONSENSE,
    "HTTP_PROXY": "http://u:canary@127.0.0.1:99999",
}


@pytest.mark.parametrize("name", UNUSED)
def test_a_mistake_in_an_unused_variable(ready: Surroundings, server: BitwardenServer, name: str) -> None:
    """What stands in a variable that does not apply is in nobody's way."""
    with connect_proxy() as proxy:
        done = ready.run("--", "true", env={"HTTPS_PROXY": f"http://{proxy.host}", name: UNUSED[name]})

    assert_went_through(done, proxy, server)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_http_proxy_is_not_read(ready: Surroundings, name: str) -> None:
    """It is for plain http, which nothing of bwrun's goes over to another machine."""
    done = ready.run("--", "true", env={name: NONSENSE})

    assert (done.status, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("exceptions", "host"),
    [
        ("example.com,localhost", "localhost"),
        ("10.0.0.0/8,::1,fd00::/8,localhost", "localhost"),
        ("[::1],[fd00::]/8,,x/y,localhost", "localhost"),
        ("10.0.0.0/8,127.0.0.0/8", "127.0.0.1"),
        ("*", "localhost"),
    ],
)
def test_no_proxy(ready: Surroundings, server: BitwardenServer, exceptions: str, host: str) -> None:
    """A host that NO_PROXY lists is asked directly, whatever else stands there."""
    url = server.url.replace("localhost", host)

    done = ready.run("--server", url, "--", "true", env={"HTTPS_PROXY": NONSENSE, "NO_PROXY": exceptions})

    assert (done.status, done.stderr) == (0, "")


def test_no_proxy_with_ipv6_that_does_not_apply(ready: Surroundings, server: BitwardenServer) -> None:
    """Entries for other hosts change nothing for this one."""
    with connect_proxy() as proxy:
        env = {"HTTPS_PROXY": f"http://{proxy.host}", "NO_PROXY": "10.0.0.0/8,::1,[::1],fd00::/8"}
        done = ready.run("--", "true", env=env)

    assert_went_through(done, proxy, server)


def test_each_service_goes_its_own_way(ready: Surroundings, server: BitwardenServer) -> None:
    """Of two services with URLs of their own, one can be behind the proxy and the other not."""
    api = f"https://127.0.0.1:{port_of(server)}/api"
    with connect_proxy() as proxy:
        env = {"https_proxy": f"http://{proxy.host}", "no_proxy": "127.0.0.0/8", "BWRUN_SERVER": None}
        done = ready.run("--identity-url", server.identity_url, "--api-url", api, "--", "true", env=env)

    assert (done.status, done.stderr) == (0, "")
    assert proxy.asked == [f"CONNECT localhost:{port_of(server)}"]
    assert {request.path for request in server.requests()} == PATHS


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(TOKEN, Status(500), count=1), None),
        (Fault(TOKEN, Reset(), count=1), None),
        (Fault(SYNC, CloseMidBody(), count=1), None),
        (Fault(SYNC, Redirect("/api/sync?excludeDomains=true"), count=1), None),
        (Fault(TOKEN, Redirect("https://elsewhere.example.com/", 307)), "server.redirect"),
        (Fault(TOKEN, Redirect("https://:0", 307)), "server.redirect"),
        (Fault(TOKEN, Status(501, "{}")), "auth.refused"),
    ],
    ids=["500", "reset", "cut", "redirect", "redirect elsewhere", "redirect nowhere", "501"],
)
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_failures_behind_a_proxy(
    ready: Surroundings, server: BitwardenServer, scheme: str, fault: Fault, code: str | None
) -> None:
    """What the server does wrong is treated as without a proxy."""
    server.set_fault(fault)
    with connect_proxy() if scheme == "http" else socks_proxy() as proxy:
        done = ready.run("--", "true", env={"https_proxy": f"{scheme}://{proxy.host}"})

    assert done.codes == ([] if code is None else [code])
    assert done.status == (0 if code is None else 125)


def test_unknown_ca_behind_a_proxy(ready: Surroundings, server: BitwardenServer) -> None:
    """A certificate of the server's that is not trusted stops the login there too."""
    with connect_proxy() as proxy:
        done = fail(ready, env={"https_proxy": f"http://{proxy.host}", "SSL_CERT_FILE": None})

    assert messages(done)[0] == (
        f"error: the certificate of {server.url} is not trusted: unable to get local issuer certificate"
        " [network.tls-untrusted]"
    )
    assert server.requests() == []


@pytest.mark.parametrize("certificate", ["plain", "no-intermediate"])
def test_certificates_behind_a_proxy(bare: Surroundings, certificate: CertificateKind) -> None:
    """Through a proxy the same certificates are accepted. Which of a chain are sent is not looked up there."""
    with BitwardenServer.start(certificate=certificate) as server, connect_proxy() as proxy:
        bare.use(server, server.add_account(AccountSpec("tls@example.com", "correct horse", kdf=CHEAP)))
        done = bare.run("--", "true", env={"https_proxy": f"http://{proxy.host}"})

    assert done.codes == ([] if certificate == "plain" else ["network.tls-untrusted"])
    assert ("intermediate certificate" in done.stderr) == (certificate == "no-intermediate")


def test_alert_behind_a_proxy(ready: Surroundings, tmp_path: Path) -> None:
    """A TLS alert of the server is named there too, and the login is not tried again."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    env: dict[str, str | None] = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}

    with tls_server(authority, wants_certificate=True) as server, connect_proxy() as proxy:
        done = fail(ready, "--server", server, env={**env, "https_proxy": f"http://{proxy.host}"})

    assert messages(done) == [
        f"error: {server} closed the TLS connection with the alert `certificate required` [network.tls]",
        "hint: the server requires a client certificate: set `--client-cert FILE`",
    ]


@pytest.mark.parametrize("through", [True, False], ids=["proxy", "direct"])
def test_headers_without_end(ready: Surroundings, server: BitwardenServer, *, through: bool) -> None:
    """An answer whose headers are too long is an error of its own, on both ways."""
    server.set_fault(Fault(TOKEN, Status(200, "{}", headers={"Long": "x" * 200_000})))
    with connect_proxy() as proxy:
        done = fail(ready, env={"https_proxy": f"http://{proxy.host}"} if through else {})

    assert done.codes == ["server.headers"]


@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
def test_a_proxy_that_is_not_there(ready: Surroundings, server: BitwardenServer, scheme: str) -> None:
    """When nobody listens at a proxy's address, the proxy is named and the variable, not the server."""
    address = f"{scheme}://{dead_address()}"

    done = fail(ready, env={"ALL_PROXY": address}, verbose=False)

    assert messages(done) == [
        f"error: cannot connect to the proxy {address}: Connection refused [network.proxy]",
        HINT.format("ALL_PROXY"),
    ]
    assert server.requests() == []


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_proxy_whose_name_does_not_exist(ready: Surroundings, scheme: str) -> None:
    """The name that cannot be found is the proxy's."""
    done = fail(ready, "--timeout", "20", env={"https_proxy": f"{scheme}://proxy.invalid:3128"})

    assert (
        messages(done)[0]
        == f"error: cannot resolve the name of the proxy {scheme}://proxy.invalid:3128 [network.proxy]"
    )


@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
def test_a_proxy_that_says_nothing(ready: Surroundings, scheme: str) -> None:
    """A proxy that takes the connection and never answers ends with the timeout, and is named."""
    started = time.monotonic()
    with silent_proxy() as proxy:
        done = fail(ready, "--timeout", "1", env={"https_proxy": f"{scheme}://{proxy.host}"})

    assert messages(done) == [
        f"error: timed out after 1 s while waiting for the proxy {scheme}://{proxy.host} [network.timeout]",
        HINT.format("https_proxy"),
    ]
    assert time.monotonic() - started < AT_ONCE


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_proxy_that_hangs_up(ready: Surroundings, scheme: str) -> None:
    """A proxy that closes the connection each time is named; what is said of SOCKS is the same in other words."""
    with proxy_that_says(b"") as proxy:
        done = fail(ready, env={"https_proxy": f"{scheme}://{proxy.host}"})

    assert done.codes == ["network.proxy"]
    assert f"the proxy {scheme}://{proxy.host}" in messages(done)[0]
    assert messages(done)[1] == HINT.format("https_proxy")


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("403 Forbidden", "403"),
        ("502 Bad Gateway", "502"),
        ("405 canary", "405"),
    ],
)
def test_a_proxy_that_refuses(ready: Surroundings, server: BitwardenServer, status: str, shown: str) -> None:
    """A proxy that does not connect is named with its status; it sees the host's name and nothing of the login."""
    with proxy_that_says(f"HTTP/1.1 {status}\r\n".encode() + NOTHING) as proxy:
        done = fail(ready, env={"https_proxy": f"http://{proxy.host}"})

    assert messages(done) == [
        f"error: the proxy http://{proxy.host} refused to connect to {server.url} ({shown}) [network.proxy]",
        HINT.format("https_proxy"),
    ]
    assert proxy.asked
    assert all(one.startswith(f"CONNECT localhost:{port_of(server)} ") for one in proxy.asked)
    assert server.requests() == []


def test_a_socks_proxy_that_refuses(ready: Surroundings, server: BitwardenServer) -> None:
    """The same from a SOCKS proxy, in the words of its protocol."""
    with socks_proxy(reply=NOT_ALLOWED) as proxy:
        done = fail(ready, env={"https_proxy": f"socks5h://{proxy.host}"})

    assert messages(done)[0] == (
        f"error: the proxy socks5h://{proxy.host} refused to connect to {server.url}"
        " (connection not allowed by ruleset) [network.proxy]"
    )


def test_a_socks_proxy_that_is_none(ready: Surroundings) -> None:
    """What answers in another protocol is said to be no SOCKS proxy."""
    with proxy_that_says(b"HTTP/1.1 400 Bad Request\r\n" + NOTHING) as proxy:
        done = fail(ready, env={"https_proxy": f"socks5h://{proxy.host}"})

    assert messages(done)[0] == (
        f"error: cannot read the answer from the proxy socks5h://{proxy.host} (is it a SOCKS proxy?) [network.proxy]"
    )


@pytest.mark.parametrize(
    ("scheme", "given", "said", "hint"),
    [
        ("http", "", "requires a user name and a password",
         "add them to https_proxy: http://USER:PASSWORD@HOST:PORT"),
        ("socks5h", "", "requires a user name and a password",
         "add them to https_proxy: socks5h://USER:PASSWORD@HOST:PORT"),
        ("http", "worker:canary@", "rejected the user name and password in https_proxy",
         "percent-encode special characters in them: `@` as %40, `:` as %3A, `/` as %2F"),
        ("socks5h", "worker:canary@", "rejected the user name and password in https_proxy",
         "percent-encode special characters in them: `@` as %40, `:` as %3A, `/` as %2F"),
    ],
    ids=["CONNECT", "SOCKS", "CONNECT, wrong", "SOCKS, wrong"],
)  # fmt: skip
def test_a_proxy_that_wants_a_login(ready: Surroundings, scheme: str, given: str, said: str, hint: str) -> None:
    """A proxy that wants user and password says so (407), with where they go; they are not shown."""
    with connect_proxy(login=True) if scheme == "http" else socks_proxy(login=True) as proxy:
        done = fail(ready, env={"https_proxy": f"{scheme}://{given}{proxy.host}"})

    assert messages(done) == [
        f"error: the proxy {scheme}://{proxy.host} {said} [network.proxy]",
        f"hint: {hint}",
    ]
    assert_shows_no_login(done)


def test_a_proxy_that_wants_another_login(ready: Surroundings) -> None:
    """A proxy that knows Windows' logins alone is said to."""
    answer = b"HTTP/1.1 407 x\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n" + NOTHING
    with proxy_that_says(answer) as proxy:
        done = fail(ready, env={"https_proxy": f"http://{IN_URL}{proxy.host}"})

    assert messages(done)[0] == (
        f"error: the proxy http://{proxy.host} requires a login with Negotiate, NTLM, but bwrun supports only Basic"
        " [network.proxy]"
    )
    assert_shows_no_login(done)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (NONSENSE, "https_proxy has an unsupported scheme, `nonsense://`"),
        ("socks://u:canary@127.0.0.1:1080", "https_proxy has an unsupported scheme, `socks://`"),
        ("http://u:canary@127.0.0.1:99999", "https_proxy contains an invalid proxy address"),
        ("http://u:canary@127.0.0.1:port", "https_proxy contains an invalid proxy address"),
        ("http://u:canary@", "https_proxy contains an invalid proxy address"),
        (f"http://u:canary@{'x' * 70}.example:3128", "https_proxy contains an invalid proxy address"),
    ],
    ids=["kind", "socks", "port", "word", "no host", "label"],
)
def test_a_proxy_that_is_no_address(ready: Surroundings, value: str, said: str) -> None:
    """A proxy variable with nonsense in it is one clear error, and its value, maybe a password, is not shown."""
    done = fail(ready, env={"https_proxy": value, "all_proxy": "http://127.0.0.1:9"})

    assert messages(done)[0] == f"error: {said} [network.proxy]"
    assert_shows_no_login(done)


def python_without(package: str, directory: Path) -> Path:
    """Make a virtual environment with all packages of this one but one; return its Python."""
    venv.create(directory, with_pip=False, symlinks=True)
    packages = Path(sysconfig.get_path("purelib"))
    copies = directory / packages.relative_to(sys.prefix)
    for entry in packages.iterdir():
        if entry.name.partition("-")[0] != package:
            (copies / entry.name).symlink_to(entry)
    return directory / "bin" / "python"


def test_socks_without_its_package(ready: Surroundings, tmp_path: Path) -> None:
    """An installation without the extra for SOCKS says how it is installed with it."""
    done = subprocess.run(
        [python_without("socksio", tmp_path / "venv"), "-m", "bwrun", "--", "true"],
        check=False,
        env=ready.full_environment({"ALL_PROXY": "socks5h://127.0.0.1:9"}),
        cwd=ready.work,
        capture_output=True,
        encoding="utf-8",
    )

    assert messages(Ended(done.returncode, done.stdout, done.stderr)) == [
        "error: ALL_PROXY names a SOCKS proxy, which needs the Python package `socksio` [network.proxy]",
        "hint: install bwrun with it, in a checkout: `pipx install '.[socks]'`",
    ]
