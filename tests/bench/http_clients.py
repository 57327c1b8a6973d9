"""
One HTTP client's part of a run: `python -I http_clients.py KIND URL` prints the seconds of its import and requests.

A login and a sync, one after the other; where KIND says so, the server's config is asked for beside the login.
It stands alone, so that an import costs what it costs a program that has nothing yet.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

BODY = b"grant_type=client_credentials&scope=api"
PATHS = ("/identity/connect/token", "/api/sync", "/api/config")


def by_http_client(url: str) -> Callable[[str], object]:
    """Return what sends a request over one connection of the standard library's."""
    import ssl  # noqa: PLC0415
    from http.client import HTTPSConnection  # noqa: PLC0415

    host, port = url.removeprefix("https://").split(":")
    connection = HTTPSConnection(host, int(port), context=ssl.create_default_context())

    def send(path: str) -> bytes:
        is_login = path == PATHS[0]
        connection.request("POST" if is_login else "GET", path, BODY if is_login else None)
        return connection.getresponse().read()

    return send


def by_urllib3(url: str) -> Callable[[str], object]:
    """Return what sends a request by urllib3."""
    import ssl  # noqa: PLC0415

    import urllib3  # noqa: PLC0415

    pool = urllib3.PoolManager(ssl_context=ssl.create_default_context())

    def send(path: str) -> bytes:
        is_login = path == PATHS[0]
        return pool.request("POST" if is_login else "GET", url + path, body=BODY if is_login else None).data

    return send


def by_httpx(url: str, *, http2: bool = False, bare: bool = False) -> Callable[[str], object]:
    """Return what sends a request by httpx; `bare` keeps out its command line, which it imports if it can."""
    import ssl  # noqa: PLC0415

    if bare:
        sys.modules["httpx._main"] = None  # type: ignore[assignment]  # the documented way to make an import fail
    import httpx  # noqa: PLC0415

    client = httpx.Client(verify=ssl.create_default_context(), http2=http2, trust_env=False)

    def send(path: str) -> bytes:
        is_login = path == PATHS[0]
        return client.request("POST" if is_login else "GET", url + path, content=BODY if is_login else None).content

    return send


KINDS: dict[str, tuple[Callable[[str], Callable[[str], object]], bool]] = {
    "http.client": (by_http_client, False),
    "urllib3": (by_urllib3, False),
    "httpx": (by_httpx, False),
    "httpx, its command line kept out": (lambda url: by_httpx(url, bare=True), False),
    "httpx, the config beside": (by_httpx, True),
    "httpx by HTTP/2": (lambda url: by_httpx(url, http2=True), False),
    "httpx by HTTP/2, the config beside": (lambda url: by_httpx(url, http2=True), True),
}


def main(kind: str, url: str) -> dict[str, float]:
    """Return the seconds until the client is made, and from there until the sync is read."""
    make, beside = KINDS[kind]
    start = time.perf_counter()
    send = make(url)
    made = time.perf_counter()
    if beside:
        from threading import Thread  # noqa: PLC0415

        Thread(target=send, args=(PATHS[2],), daemon=True).start()
    for path in PATHS[:2]:
        send(path)
    return {"import": made - start, "requests": time.perf_counter() - made}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
