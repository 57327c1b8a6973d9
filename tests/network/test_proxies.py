"""Which proxy a URL goes through: the variables and the exceptions, as curl reads them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

from bwrun.network.proxies import EXCEPTION_VARIABLES, PROXY_VARIABLES, Proxy, find_proxy
from tests.support.needs import program
from tests.support.proxies import proxy_that_says

DEAD = "http://127.0.0.1:9"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
ASK = """
import sys
from bwrun.network.proxies import find_proxy
find_proxy(sys.argv[1])
print("ipaddress" in sys.modules)
"""

Way = Callable[[Mapping[str, str], str], str]


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Way:
    """Return what gives the variable and the proxy for a URL in an environment, `-` for none."""

    def find(environment: Mapping[str, str], url: str) -> str:
        for name in (*PROXY_VARIABLES, *EXCEPTION_VARIABLES, "http_proxy", "HTTP_PROXY", "Https_Proxy"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        proxy = find_proxy(url)
        return "-" if proxy is None else f"{proxy.variable} {proxy.shown}"

    return find


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "-"),
        ({"https_proxy": "http://a:1"}, "https_proxy http://a:1"),
        ({"HTTPS_PROXY": "http://a:1"}, "HTTPS_PROXY http://a:1"),
        ({"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1"}, "https_proxy http://a:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://b:1"}, "HTTPS_PROXY http://b:1"),
        ({"all_proxy": "http://a:1", "ALL_PROXY": "http://b:1"}, "all_proxy http://a:1"),
        ({"all_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1"}, "HTTPS_PROXY http://b:1"),
        ({"ALL_PROXY": "socks5h://a:1"}, "ALL_PROXY socks5h://a:1"),
        ({"http_proxy": "http://a:1", "HTTP_PROXY": "http://b:1"}, "-"),
        ({"https_proxy": "a:1"}, "https_proxy http://a:1"),
        ({"Https_Proxy": "http://a:1"}, "-"),
    ],
)
def test_the_variable_that_applies(way: Way, environment: dict[str, str], expected: str) -> None:
    """Lower case goes before upper case, the scheme's variable before that for all, and an empty one is none."""
    assert way(environment, "https://vault.example.com/api") == expected


def test_plain_http_goes_directly(way: Way) -> None:
    """What goes over http goes to the loopback, and no proxy gets to see the API key in it."""
    environment = {"http_proxy": DEAD, "HTTP_PROXY": DEAD, "all_proxy": DEAD, "https_proxy": DEAD}

    assert way(environment, "http://localhost:8080/api") == "-"


# (entries, host, whether it is asked directly); curl agrees with all of these: test_curl_agrees()
EXCEPTIONS = [
    ("localhost", "localhost", True),
    ("LOCALHOST", "localhost", True),
    ("localhost", "127.0.0.1", False),
    ("example.com,localhost", "localhost", True),
    ("  ,localhost , ", "localhost", True),
    ("10.0.0.0/8 localhost", "localhost", True),
    ("10.0.0.0/8,::1,fd00::/8,localhost", "localhost", True),
    ("10.0.0.0/8,::1,fd00::/8,localhost", "10.1.2.3", True),
    ("10.0.0.0/8,::1,fd00::/8,localhost", "[::1]", True),
    ("10.0.0.0/8,::1,fd00::/8,localhost", "11.1.2.3", False),
    ("10.0.0.0/8,::1,fd00::/8,localhost", "[::2]", False),
    ("127.0.0.0/8", "127.0.0.1", True),
    ("127.0.0.0/8", "localhost", False),
    ("10.1.2.9/8", "10.200.0.1", True),
    ("10.0.0.0/9", "10.200.0.1", False),
    ("10.1.2.3", "10.1.2.3", True),
    ("10.1.2.3/33", "10.1.2.3", False),
    ("10.1.2", "10.1.2.3", False),
    ("example.invalid", "example.invalid", True),
    ("example.invalid", "www.example.invalid", True),
    ("example.invalid", "nonexample.invalid", False),
    (".example.invalid", "www.example.invalid", True),
    (".example.invalid", "example.invalid", True),
    ("example.invalid.", "example.invalid", True),
    ("example.invalid", "example.invalid.", True),
    ("example.invalid/8", "example.invalid", False),
    ("invalid", "www.example.invalid", True),
    ("www.example.invalid", "example.invalid", False),
    ("*", "example.invalid", True),
    ("*", "10.1.2.3", True),
]
# The same where curl 7.88 has another opinion, or none.
MORE_EXCEPTIONS = [
    ("fd00::/8", "[fd12::5]", True),
    ("fd00::/8", "[fe80::5]", False),
    ("0:0::1", "[::1]", True),
    ("[::1]", "[::1]", True),
    ("[fd00::]/8", "[fd12::5]", True),
    ("[::1]:8443", "[::1]", True),
    ("[::1]:443", "[::1]", False),
    ("localhost:8443", "localhost", True),
    ("localhost:443", "localhost", False),
    ("localhost:https", "localhost", False),
    ("10.0.0.0/8:8443", "10.1.2.3", True),
    ("*.example.invalid", "www.example.invalid", True),
    ("a.invalid,*", "example.invalid", True),
    ("0.0.0.0/0", "10.1.2.3", True),
    ("0.0.0.0/0", "[::1]", False),
    ("::/0", "10.1.2.3", False),
    ("10.0.0.0/x,[,],::,/8,:,[::1,1:2:3,*.,.", "10.1.2.3", False),
    ("10.0.0.0/x,[,],::,/8,:,[::1,1:2:3,*.,.", "example.invalid", False),
]


@pytest.mark.parametrize(("entries", "host", "directly"), EXCEPTIONS + MORE_EXCEPTIONS)
def test_exceptions(way: Way, entries: str, host: str, *, directly: bool) -> None:
    """Names with their subdomains, addresses, networks; an entry that means nothing is in nobody's way."""
    environment = {"https_proxy": DEAD, "no_proxy": entries}

    assert (way(environment, f"https://{host}:8443/api") == "-") == directly


def test_the_exceptions_that_apply(way: Way) -> None:
    """Lower case goes before upper case, and an empty variable is none."""
    assert way({"https_proxy": DEAD, "no_proxy": "other", "NO_PROXY": "vault"}, "https://vault") != "-"
    assert way({"https_proxy": DEAD, "no_proxy": "", "NO_PROXY": "vault"}, "https://vault") == "-"


def test_curl_agrees() -> None:
    """These variables are read as curl reads them: it goes the same way in each of these cases."""
    curl = program("curl", "curl is not installed")
    with proxy_that_says(FORBIDDEN) as proxy:
        wrong = []
        for entries, host, directly in EXCEPTIONS:
            proxy.asked.clear()
            # From the loopback's address there is no way out of this machine, and no name is looked up.
            at_home = ["--interface", "127.0.0.1"]
            if host[-1] not in "]0123456789":
                at_home += ["--resolve", f"{host.rstrip('.')}:9:127.0.0.1"]
            environment = {"https_proxy": f"http://{proxy.host}", "no_proxy": entries}
            subprocess.run([curl, "-s", "-m", "10", *at_home, f"https://{host}:9/"], check=False, env=environment)
            if (not proxy.asked) != directly:
                wrong.append((entries, host))

    assert wrong == []


@pytest.mark.parametrize(
    ("environment", "host", "needed"),
    [
        ({"no_proxy": "10.0.0.0/8"}, "10.0.0.1", False),
        ({"https_proxy": DEAD}, "10.0.0.1", False),
        ({"https_proxy": DEAD, "no_proxy": "10.0.0.0/8"}, "vault", False),
        ({"https_proxy": DEAD, "no_proxy": "10.0.0.0/8"}, "10.0.0.1", True),
    ],
)
def test_nothing_is_imported_for_nothing(environment: dict[str, str], host: str, *, needed: bool) -> None:
    """Addresses are compared by `ipaddress`, which is imported only for an address, a proxy and exceptions."""
    words = [sys.executable, "-c", ASK, f"https://{host}"]
    done = subprocess.run(words, check=True, capture_output=True, encoding="utf-8", env=environment)

    assert done.stdout == f"{needed}\n"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("HTTP://proxy.example:3128/", "http://proxy.example:3128"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("http://u:canary@proxy.example:3128/?q#f", "http://proxy.example:3128"),
        ("http://u:can/ary@proxy.example:3128", "http://proxy.example:3128"),
        ("http://u:can@ry#c@proxy.example:3128", "http://proxy.example:3128"),
        ("u:can://ary@proxy.example:3128", "http://proxy.example:3128"),
        ("u:canary@proxy.example:3128", "http://proxy.example:3128"),
        ("socks5h://u:canary@[::1]:1080", "socks5h://[::1]:1080"),
        ("", "http://"),
    ],
)
def test_a_login_is_not_shown(url: str, shown: str) -> None:
    """User and password are left out of what is shown, however they are written."""
    assert Proxy("https_proxy", url).shown == shown
