"""
What bwrun is measured beside: `python -I reference.py KIND URL`, with the credentials in the environment.

`floor` is (a): it prints as JSON the seconds of the parts that no run does without, each alone: one key derivation,
and the two requests, on a TLS connection that is open and was used before, by the standard library.

`straight` is (a'): what one would write with the libraries that bwrun has: log in, sync, derive, one after another;
`straight-httpx` is the same with httpx, as most would do it.

It stands alone, so that its start costs what its own imports cost.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

HEADERS = {
    "Accept": "application/json",
    "Device-Type": "25",
    "Bitwarden-Client-Name": "cli",
    "Bitwarden-Client-Version": "2026.9.0",
}
SYNC = "/sync?excludeDomains=true"
FORM_TYPE = "application/x-www-form-urlencoded"


def services(url: str) -> tuple[str, str]:
    """Return the URLs of identity and API: of their own in the clouds, below one elsewhere."""
    scheme, _, host = url.rstrip("/").partition("://")
    domain = host.removeprefix("vault.")
    if domain in ("bitwarden.com", "bitwarden.eu"):
        identity, api = f"{scheme}://identity.{domain}", f"{scheme}://api.{domain}"
    else:
        identity, api = f"{scheme}://{host}/identity", f"{scheme}://{host}/api"
    return os.environ.get("BWRUN_IDENTITY_URL", identity), os.environ.get("BWRUN_API_URL", api)


def login_form() -> dict[str, str]:
    """Return the login's fields."""
    return {
        "grant_type": "client_credentials",
        "scope": "api",
        "client_id": os.environ["BW_CLIENTID"],
        "client_secret": os.environ["BW_CLIENTSECRET"],
        "deviceType": "25",
        "deviceIdentifier": "6a1f0c8e-5b1d-4f5e-9d3a-0a9d2c7e4b11",
        "deviceName": "linux",
    }


def derive(login: Mapping[str, Any]) -> bytes:
    """Return the master key, by the KDF that the reply to the login names."""
    numbers = {
        name: value if isinstance(value := login.get(name), int) else 0
        for name in ("Kdf", "KdfIterations", "KdfMemory", "KdfParallelism")
    }
    salt, password = b"someone@example.com", os.environ["BW_PASSWORD"].encode()
    if numbers["Kdf"] == 0:
        return PBKDF2HMAC(SHA256(), 32, salt, numbers["KdfIterations"]).derive(password)
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: PLC0415

    return Argon2id(
        salt=salt,
        length=32,
        iterations=numbers["KdfIterations"],
        lanes=numbers["KdfParallelism"],
        memory_cost=numbers["KdfMemory"] * 1024,
    ).derive(password)


def connect(base: str) -> tuple[HTTPConnection, str]:
    """Return a connection, which opens with its first request, and the path that all paths are below."""
    parts = urlsplit(base)
    host = parts.hostname or ""
    if parts.scheme != "https":
        return HTTPConnection(host, parts.port), parts.path
    return HTTPSConnection(host, parts.port, context=ssl.create_default_context()), parts.path


def ask(connection: HTTPConnection, method: str, path: str, body: str | None = None, **headers: str) -> bytes:
    """Return what is answered."""
    connection.request(method, path, body, HEADERS | headers)
    return connection.getresponse().read()


def log_in(connection: HTTPConnection, below: str) -> dict[str, Any]:
    """Return the reply to a login."""
    form = urlencode(login_form())
    reply: dict[str, Any] = json.loads(
        ask(connection, "POST", f"{below}/connect/token", form, **{"Content-Type": FORM_TYPE})
    )
    return reply


def sync(connection: HTTPConnection, below: str, login: Mapping[str, Any]) -> bytes:
    """Return the vault."""
    return ask(connection, "GET", below + SYNC, Authorization=f"Bearer {login['access_token']}")


def straight(url: str) -> None:
    """Log in, sync and derive, and hold what comes."""
    identity_url, api_url = services(url)
    identity, below = connect(identity_url)
    login = log_in(identity, below)
    same = urlsplit(identity_url).netloc == urlsplit(api_url).netloc
    api, below = (identity, urlsplit(api_url).path) if same else connect(api_url)
    json.loads(sync(api, below, login))
    derive(login)


def straight_httpx(url: str) -> None:
    """Do the same with httpx."""
    import httpx  # noqa: PLC0415

    identity, api = services(url)
    with httpx.Client(verify=ssl.create_default_context(), headers=HEADERS, timeout=60) as client:
        login = client.post(f"{identity}/connect/token", data=login_form()).raise_for_status().json()
        authorization = {"Authorization": f"Bearer {login['access_token']}"}
        client.get(api + SYNC, headers=authorization).raise_for_status().json()
    derive(login)


def floor(url: str) -> dict[str, float]:
    """Return the seconds of each part, and the bytes of the sync."""
    identity_url, api_url = services(url)
    identity, below = connect(identity_url)
    ask(identity, "GET", f"{below}/")
    start = time.perf_counter()
    login = log_in(identity, below)
    token_time = time.perf_counter() - start
    api, below = connect(api_url)
    ask(api, "GET", f"{below}/config")
    start = time.perf_counter()
    vault = sync(api, below, login)
    sync_time = time.perf_counter() - start
    start = time.perf_counter()
    derive(login)
    kdf_time = time.perf_counter() - start
    return {"kdf": kdf_time, "token": token_time, "sync": sync_time, "sync bytes": len(vault)}


if __name__ == "__main__":
    if sys.argv[1] == "floor":
        sys.stdout.write(json.dumps(floor(sys.argv[2])))
    else:
        {"straight": straight, "straight-httpx": straight_httpx}[sys.argv[1]](sys.argv[2])
