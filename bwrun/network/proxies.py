"""
Which proxy a request goes through. The environment is read as curl reads it.

- The proxy is in `https_proxy`, else `HTTPS_PROXY`, else `all_proxy`, else `ALL_PROXY`. The first that is not empty
  counts; the others are not looked at, so a mistake in them does no harm.
- `no_proxy`, else `NO_PROXY`, lists the hosts that are asked without a proxy: `_is_listed()`.
- Requests over plain http use no proxy, and `http_proxy` is not read: they go to this machine's loopback alone, and a
  proxy would see the API key in them.

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
    url: str  # as it was written, maybe with a password: never for a message

    @property
    def shown(self) -> str:
        """Return scheme, host and port for a message. User and password are left out, also those with a `/` in them."""
        host = self.url.partition("://")[2] if self.scheme else self.url
        host = host.rpartition("@")[2]
        for end in "/?#":
            host = host.partition(end)[0]
        return f"{self.scheme or 'http'}://{host}"

    @property
    def scheme(self) -> str:
        """Return the URL's scheme in lower case, empty if it has none, which means http."""
        scheme, mark, _ = self.url.partition("://")
        return scheme.lower() if mark and scheme.isalnum() else ""


def find_proxy(url: str) -> Proxy | None:
    """Return the proxy for requests to `url`, None if they go to the server directly."""
    variable = next((name for name in PROXY_VARIABLES if os.environ.get(name)), None)
    if variable is None:
        return None
    try:
        parts = split_url(url)
    except ValueError:
        return None  # what carries the request says so
    port = PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
    if parts.scheme != "https" or _is_listed(parts.host, port):
        return None
    return Proxy(variable, os.environ[variable])


def _is_listed(host: str, port: int) -> bool:
    """
    Return whether `no_proxy` lists a host.

    Commas or white space stand between the entries. An entry is a name, which means its subdomains too (a dot or `*.`
    in front of it makes no difference), an address, a network as `10.0.0.0/8` or `fd00::/8`, or `*`. Four things are
    understood that curl does not know: brackets round IPv6, a port, `*.`, and `*` beside other entries.
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
    entry, ports = _split_port(entry)
    if ports and ports != str(port):
        return False
    if address is not None:
        from ipaddress import ip_network  # noqa: PLC0415

        try:
            return address in ip_network(entry, strict=False)
        except ValueError:
            return False  # a name, or a mistake: not this host in any case
    name = entry.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, str]:
    """Return an entry without brackets and port, and the port, which is empty if there is none."""
    if entry.startswith("["):
        inner, _, rest = entry[1:].partition("]")
        return (inner, rest[1:]) if rest.startswith(":") else (inner + rest, "")
    name, colon, port = entry.partition(":")
    return (entry, "") if not colon or ":" in port else (name, port)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return a host that is an address as such, None if it is a name."""
    if ":" not in host and not host[-1:].isdigit():
        return None
    from ipaddress import ip_address  # noqa: PLC0415  (only where a proxy and exceptions are set)

    try:
        return ip_address(host)
    except ValueError:
        return None
