"""
The URLs that `--server`, `--identity-url`, `--api-url` and `--key-connector-url` stand for.

Nothing here opens a connection. Where a server has its services: protocol notes 1.1, from
bitwarden/clients:libs/common/src/platform/services/default-environment.service.ts.
"""

from __future__ import annotations

from bwrun.base.errors import ConfigError
from bwrun.base.structs import Struct
from bwrun.base.urls import PORTS, split_url

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Sequence

SELF_HOSTED = "Self-hosted"
CA_HINT = "use a PEM file, which contains the line `-----BEGIN CERTIFICATE-----`"


class Server(Struct):
    """The URLs of a Bitwarden server, without trailing slashes."""

    identity: str
    api: str
    base: str | None  # for the official CLI; None: only the URLs of the services are known
    region: str  # US, EU, Gov or Self-hosted, as the official CLI names it

    @property
    def name(self) -> str:
        """Return the URL that names the server in messages."""
        return self.base or self.identity

    @property
    def is_cloud(self) -> bool:
        """Return whether it is one of Bitwarden's own."""
        return self.region != SELF_HOSTED


# Bitwarden's own clouds: the word after `--server`, and the domain.
CLOUDS = {"us": "bitwarden.com", "eu": "bitwarden.eu", "gov": "bitwarden-gov.com"}


def _cloud(domain: str, region: str) -> Server:
    return Server(f"https://identity.{domain}", f"https://api.{domain}", f"https://vault.{domain}", region)


US, EU, GOV = _cloud(CLOUDS["us"], "US"), _cloud(CLOUDS["eu"], "EU"), _cloud(CLOUDS["gov"], "Gov")
_BY_WORD = dict(zip(CLOUDS, (US, EU, GOV), strict=True))
_BY_HOST = {
    f"{prefix}{CLOUDS[word]}": cloud
    for word, cloud in _BY_WORD.items()
    for prefix in ("", "www.", "vault.", "api.", "identity.")
}


SETTINGS = ("`--server`", "`--identity-url`", "`--api-url`")


def find_server(
    server: str | None, identity_url: str | None, api_url: str | None, *, places: Sequence[str] = SETTINGS
) -> Server:
    """
    Return the server that the three settings stand for; bitwarden.com if none is set.

    `places` is what messages call the settings.

    Raises ConfigError: a setting is not a URL, uses http for another host than this one, or the URL of one service is
    set without that of the other.
    """
    if server is None and (identity_url is None) != (api_url is None):
        given, missing = ("--identity-url", "--api-url") if api_url is None else ("--api-url", "--identity-url")
        raise ConfigError(
            "server", f"`{given}` is set without `{missing}`",
            f"set `{missing}` too, or set `--server` for both",
        )  # fmt: skip
    found = _server_at(server, places[0])
    if identity_url is None and api_url is None:
        return found
    return Server(
        identity=_url(identity_url, places[1]) if identity_url is not None else found.identity,
        api=_url(api_url, places[2]) if api_url is not None else found.api,
        base=found.base if server is not None else None,
        region=SELF_HOSTED,
    )


def find_key_connector(text: str | None, setting: str = "`--key-connector-url`") -> str | None:
    """
    Return the URL of a Key Connector without trailing slashes; None if `text` is empty or None.

    `setting` is what error messages call the URL.

    Raises ConfigError: it is not a URL, or uses http for another host than this one.
    """
    return _url(text, setting, "the access token") if text else None


def _server_at(server: str | None, place: str) -> Server:
    """Return the server for a value of `--server`: `us`, `eu`, `gov` or a URL; `place` is where it is set."""
    if server is None:
        return US
    word = server.strip().lower()
    if word in _BY_WORD:
        return _BY_WORD[word]
    base = _url(_base_of(server.strip()), place)
    parts = split_url(base)
    cloud = _BY_HOST.get(parts.host)
    if cloud is not None and parts.port is None and parts.scheme == "https":
        return cloud
    return Server(identity=f"{base}/identity", api=f"{base}/api", base=base, region=SELF_HOSTED)


def _base_of(text: str) -> str:
    """Return a server's base URL from what people paste: the address bar's `…/#/login`, or the URL of one service."""
    base = text.partition("/#")[0]
    for service in ("/api", "/identity"):
        if base.rstrip("/").endswith(service):
            return base.rstrip("/").removesuffix(service)
    return base


def _url(text: str, setting: str, sends: str = "the API key") -> str:
    """Check a URL and return it; `sends` names what bwrun will send there, for the error message."""
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
            "insecure-server", f"{setting} uses http, which would send {sends} to `{parts.host}` without encryption",
            "use `https://`; `http://` is allowed only for this machine's loopback addresses",
        )  # fmt: skip
    if parts.scheme not in PORTS:
        raise ConfigError(
            "server", f"{setting} begins with `{parts.scheme}://`, not with `https://`", "write it as `https://…`"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}"


def origin(url: str) -> str:
    """Return scheme, host and port of `url`, for a message; empty if it is not a URL."""
    try:
        parts = split_url(url)
    except ValueError:
        return ""
    shown = f"[{parts.host}]" if ":" in parts.host else parts.host
    return f"{parts.scheme}://{shown}" + (f":{parts.port}" if parts.port else "") if parts.scheme else ""


def is_loopback(host: str) -> bool:
    """Return whether `host` is this machine: localhost, 127.0.0.0/8 or ::1."""
    if host.lower() in ("localhost", "::1"):
        return True
    numbers = host.split(".")
    return (
        len(numbers) == 4 and numbers[0] == "127" and all(n.isascii() and n.isdigit() and int(n) < 256 for n in numbers)
    )
