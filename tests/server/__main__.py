"""Run the server in this process.

    python -m tests.server --accounts FILE.json --ready-file PATH --port 8443

FILE.json is a list of accounts as in `tests.server.specs.AccountSpec`, defaults may be left out:

    [{"email": "ada@example.com", "master_password": "correct horse",
      "items": [{"name": "prod-db", "content": {"type_": "Login", "username": "u", "password": "p"}}]}]

When it answers, it prints one JSON line (and writes it to the ready file): `url`, `ca_file`, `pid`, `control_token`,
`accounts` with the credentials made.  Then, for example:

    export NODE_EXTRA_CA_CERTS=<ca_file>; bw config server <url>; bw login --apikey
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import get_args

import uvicorn

from tests.server.accounts import make_account
from tests.server.app import make_app
from tests.server.control_api import account_json
from tests.server.spec_json import from_json
from tests.server.specs import AccountSpec
from tests.server.state import World
from tests.server.tls import CertificateKind, write_certificates
from tests.server.transport import CuttableProtocol

HOST = "127.0.0.1"


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.server", description="Bitwarden-compatible test server")
    parser.add_argument("--port", type=int, default=0, help="0: any free one [0]")
    parser.add_argument("--path-prefix", default="", help='where the server lives below its host, e.g. "/vault"')
    parser.add_argument("--delay-ms", type=int, default=0, help="latency of every request, milliseconds")
    parser.add_argument("--certificate", choices=[*get_args(CertificateKind), "none"], default="trusted")
    parser.add_argument("--directory", type=Path, help="where certificates go [a temporary directory]")
    parser.add_argument("--accounts", type=Path, help="JSON list of accounts to begin with")
    parser.add_argument("--ready-file", type=Path, help="write the ready line there too")
    parser.add_argument("--watch-stdin", action="store_true", help="end when standard input is closed")
    return parser.parse_args()


def exit_with_parent(directory: Path | None) -> None:
    """End this process at the end of standard input, which the parent holds open: it cannot outlive it.

    A parent that was killed could not remove `directory`.
    """

    def watch() -> None:
        sys.stdin.buffer.read()
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


async def serve(arguments: argparse.Namespace, directory: Path) -> None:
    """Run until a signal or the end of standard input."""
    secure = arguments.certificate != "none"
    files = write_certificates(directory, arguments.certificate if secure else "trusted")
    listener = socket.create_server((HOST, arguments.port), backlog=512)
    # asyncio sets this only on sockets made with an explicit protocol; without it each reply costs 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    scheme, port = "https" if secure else "http", listener.getsockname()[1]
    world = World(f"{scheme}://localhost:{port}{arguments.path_prefix}")
    control_token = secrets.token_urlsafe(24)
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(world, arguments.path_prefix, arguments.delay_ms, control_token),
            http=CuttableProtocol,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_level="critical",
            timeout_keep_alive=3600,  # a connection of the tests lasts as long as they do
            timeout_graceful_shutdown=1,
            ssl_certfile=files.chain if secure else None,
            ssl_keyfile=files.key if secure else None,
        )
    )
    if arguments.accounts is not None:
        for spec in json.loads(arguments.accounts.read_text("utf-8")):
            world.add(make_account(from_json(AccountSpec, spec)))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not running.done():  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.005)
    ready = {
        "url": world.url,
        "ca_file": str(files.ca),
        "pid": os.getpid(),
        "control_token": control_token,
        "accounts": [account_json(account) for account in world.accounts.values()],
    }
    announce(json.dumps(ready), arguments.ready_file)
    await running


def announce(line: str, ready_file: Path | None) -> None:
    """Say that the server answers."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    if ready_file is not None:
        ready_file.write_text(line + "\n", "utf-8")


def main() -> None:
    """Start with the certificates in the given or a temporary directory."""
    arguments = parse_arguments()
    if arguments.watch_stdin:
        exit_with_parent(arguments.directory)
    # Ctrl-C is how a human ends it; uvicorn has closed the connections by then.
    with contextlib.suppress(KeyboardInterrupt):
        if arguments.directory is not None:
            asyncio.run(serve(arguments, arguments.directory))
            return
        with tempfile.TemporaryDirectory(prefix="bwrun-test-server-") as directory:
            asyncio.run(serve(arguments, Path(directory)))


if __name__ == "__main__":
    main()
