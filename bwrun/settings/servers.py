"""
Which URLs are meant by `--server`, `--identity-url`, `--api-url` and `--key-connector-url`.

Pure: words in, URLs out.  Where the services are: protocol notes 1.1, from
bitwarden/clients:libs/common/src/platform/services/default-environment.service.ts.
"""

from __future__ import annotations

from bwrun.base.errors import ConfigError
from bwrun.base.structs import Struct
from bwrun.base.urls import PORTS, split_url

CA_HINT = "use a PEM file, which contains the line `-----BEGIN CERTIFICATE-----`"


class Server(Struct):
    """A Bitwarden server: where its services are, without trailing slashes."""

    identity: str
    api: str
    base: str | None  # what the official CLI is told; None: the services' own URLs alone
    region: str  # the official CLI's word: US, EU or Self-hosted

    @property
    def name(self) -> str:
        """Return what people call it."""
        return self.base or self.identity


US = Server("https://identity.bitwarden.com", "https://api.bitwarden.com", "https://vault.bitwarden.com", "US")
EU = Server("https://identity.bitwarden.eu", "https://api.bitwarden.eu", "https://vault.bitwarden.eu", "EU")

_CLOUD_HOSTS = {
    **dict.fromkeys(("bitwarden.com", "www.bitwarden.com", "vault.bitwarden.com"), US),
    **dict.fromkeys(("bitwarden.eu", "www.bitwarden.eu", "vault.bitwarden.eu"), EU),
    **dict.fromkeys(("api.bitwarden.com", "identity.bitwarden.com"), US),
    **dict.fromkeys(("api.bitwarden.eu", "identity.bitwarden.eu"), EU),
}


def find_server(server: str | None, identity_url: str | None, api_url: str | None) -> Server:
    """
    Return the server that the three settings mean; bitwarden.com if none is set.

    Raises ConfigError: no URL, an http URL of another host, or one service's URL without the other's.
    """
    if server is None and (identity_url is None) != (api_url is None):
        given, missing = ("--identity-url", "--api-url") if api_url is None else ("--api-url", "--identity-url")
        raise ConfigError(
            "server", f"`{given}` is set without `{missing}`",
            f"set `{missing}` too, or set `--server` for both",
        )  # fmt: skip
    known = _known(server)
    if identity_url is None and api_url is None:
        return known
    return Server(
        identity=_url(identity_url, "`--identity-url`") if identity_url is not None else known.identity,
        api=_url(api_url, "`--api-url`") if api_url is not None else known.api,
        base=known.base if server is not None else None,
        region="Self-hosted",
    )


def find_key_connector(text: str | None, setting: str = "`--key-connector-url`") -> str | None:
    """
    Return a Key Connector's URL without trailing slashes, None if none is given; `setting` is what errors call it.

    Raises ConfigError: it is no URL, or an http URL of another host.
    """
    return _url(text, setting, "the access token") if text else None


def _known(server: str | None) -> Server:
    if server is None or server.strip().lower() == "us":
        return US
    if server.strip().lower() == "eu":
        return EU
    base = _url(server, "`--server`")
    parts = split_url(base)
    cloud = _CLOUD_HOSTS.get(parts.host)
    if cloud is not None and parts.port is None and parts.scheme == "https":
        return cloud
    return Server(identity=f"{base}/identity", api=f"{base}/api", base=base, region="Self-hosted")


def _url(text: str, setting: str, shows: str = "the API key") -> str:
    url = text.strip()
    if "://" not in url:
        url = f"https://{url}"
    url = url.rstrip("/")
    try:
        parts = split_url(url)
    except ValueError:
        parts = None
    if parts is None or not url.isprintable() or " " in url or "\\" in url:
        raise ConfigError("server", f"{setting} is not a URL", "write it as `https://vault.example.com`")
    if parts.has_extra_parts:
        raise ConfigError(
            "server", f"{setting} contains a user name, a query or a fragment",
            "write it as `https://vault.example.com/path`",
        )  # fmt: skip
    if parts.scheme == "http" and not is_loopback(parts.host):
        raise ConfigError(
            "insecure-server", f"{setting} uses http, which would send {shows} to `{parts.host}` without encryption",
            "use `https://`; `http://` is allowed only for this machine's loopback addresses",
        )  # fmt: skip
    if parts.scheme not in PORTS:
        raise ConfigError(
            "server", f"{setting} begins with `{parts.scheme}://`, not with `https://`", "write it as `https://…`"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}"


def origin(url: str) -> str:
    """Return scheme, host and port of `url`, for a message; empty if it has none."""
    try:
        parts = split_url(url)
    except ValueError:
        return ""
    shown = f"[{parts.host}]" if ":" in parts.host else parts.host
    return f"{parts.scheme}://{shown}" + (f":{parts.port}" if parts.port else "") if parts.scheme else ""


def is_loopback(host: str) -> bool:
    """Return whether `host` names this very machine: localhost, 127.0.0.0/8 or ::1."""
    if host.lower() in ("localhost", "::1"):
        return True
    numbers = host.split(".")
    return (
        len(numbers) == 4 and numbers[0] == "127" and all(n.isascii() and n.isdigit() and int(n) < 256 for n in numbers)
    )
