"""
Which proxy a request goes through: the proxy variables of the environment, read as curl reads them.

- The proxy is in `https_proxy`, else in `HTTPS_PROXY`, else in `all_proxy`, else in `ALL_PROXY`. The first variable
  that is not empty counts. The others are not read, so a mistake in them does no harm.
- `no_proxy`, else `NO_PROXY`, lists the hosts that bwrun connects to directly. `_is_listed()` says how.
- Requests over plain http go directly, and `http_proxy` is not read: such requests go only to the loopback of this
  machine, and a proxy would see the API key in them.

Sources: curl(1), "ENVIRONMENT" and "--noproxy"; CURLOPT_NOPROXY(3); curl/curl:lib/noproxy.c.
"""

from __future__ import annotations

import os

from bwrun.base.structs import Struct
from bwrun.base.urls import PORTS, split_url

TYPE_CHECKING = False  # `typing` takes 10 ms to import at the start of each process
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
EXCEPTION_VARIABLES = ("no_proxy", "NO_PROXY")


class Proxy(Struct):
    """A proxy, and the variable that names it."""

    variable: str
    url: str  # the value of the variable; may contain a password, so it is never shown

    @property
    def shown(self) -> str:
        """Return scheme, host and port, for a message. User name and password are removed, even malformed ones."""
        host = self.url.partition("://")[2] if self.scheme else self.url
        host = host.rpartition("@")[2]
        for end in "/?#":
            host = host.partition(end)[0]
        return f"{self.scheme or 'http'}://{host}"

    @property
    def scheme(self) -> str:
        """Return the scheme of the URL in lower case. It is empty if there is none, which means http."""
        scheme, mark, _ = self.url.partition("://")
        return scheme.lower() if mark and scheme.isalnum() else ""


def find_proxy(url: str) -> Proxy | None:
    """Return the proxy for requests to `url`, or None if they go to the server directly."""
    variable = next((name for name in PROXY_VARIABLES if os.environ.get(name)), None)
    if variable is None:
        return None
    try:
        parts = split_url(url)
    except ValueError:
        return None  # the transport reports the invalid URL
    port = PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
    if parts.scheme != "https" or _is_listed(parts.host, port):
        return None
    return Proxy(variable, os.environ[variable])


def _is_listed(host: str, port: int) -> bool:
    """
    Return whether `no_proxy` lists a host.

    Commas or white space separate the entries. An entry is a name, which includes its subdomains (a leading dot makes
    no difference), an IP address, a network such as `10.0.0.0/8` or `fd00::/8`, or `*`. In addition to what curl
    accepts, an IPv6 address may be in brackets, a port may follow, a name may begin with `*.`, and `*` may be one of
    several entries.
    """
    text = next((os.environ[name] for name in EXCEPTION_VARIABLES if os.environ.get(name)), "")
    entries = text.lower().replace(",", " ").split()
    if not entries:
        return False
    host = host.rstrip(".")
    address = _address(host)
    return any(_covers(entry, host, address, port) for entry in entries)


def _covers(entry: str, host: str, address: IPv4Address | IPv6Address | None, port: int) -> bool:
    if entry == "*":
        return True
    entry, only_port = _split_port(entry)
    if only_port and only_port != str(port):
        return False
    if address is not None:
        from ipaddress import ip_network  # noqa: PLC0415

        try:
            return address in ip_network(entry, strict=False)
        except ValueError:
            return False  # a name, or a mistake
    name = entry.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, str]:
    """Return an entry without brackets and port, and its port, which is empty if there is none."""
    if entry.startswith("["):
        inner, _, rest = entry[1:].partition("]")
        return (inner, rest[1:]) if rest.startswith(":") else (inner + rest, "")
    name, colon, port = entry.partition(":")
    return (entry, "") if not colon or ":" in port else (name, port)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that a host is written as, or None if it is a name."""
    if ":" not in host and not host[-1:].isdigit():
        return None
    from ipaddress import ip_address  # noqa: PLC0415  (few runs have a proxy and exceptions)

    try:
        return ip_address(host)
    except ValueError:
        return None
