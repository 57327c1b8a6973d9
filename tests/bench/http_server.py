"""
A server that speaks HTTP/1.1 and HTTP/2 alike and knows three fixed answers, in a process of its own.

    with http_server() as (port, ca_file): ...
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.server.tls import write_certificates

ROOT = Path(__file__).parents[2]
SIZES = {"/identity/connect/token": 4_000, "/api/sync": 32_000, "/api/config": 1_000}  # bytes: 10 items


@contextmanager
def http_server() -> Iterator[tuple[int, Path]]:
    """Serve until the end of the block; give the port and the file of the CA."""
    with TemporaryDirectory(prefix="bwrun-bench-") as folder:
        command = [sys.executable, "-m", "tests.bench.http_server", folder]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                ready = json.loads(process.stdout.readline())
                yield ready["port"], Path(ready["ca"])
            finally:
                process.kill()


async def answer(request: Request) -> Response:
    """Give the path's bytes."""
    await request.body()
    return Response(b"x" * SIZES[request.url.path], media_type="application/json")


async def run(folder: Path) -> None:
    """Serve until standard input ends: who started it holds that open."""
    files = write_certificates(folder, "trusted")
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.certfile, config.keyfile = str(files.chain), str(files.key)
    config.accesslog = config.errorlog = None
    sockets = config.create_sockets()
    port = sockets.secure_sockets[0].getsockname()[1]
    config.bind = [f"fd://{sockets.secure_sockets[0].detach()}"]
    app = Starlette(routes=[Route(path, answer, methods=["GET", "POST"]) for path in SIZES])
    ended = asyncio.Event()

    async def wait() -> None:
        await ended.wait()

    sys.stdout.write(json.dumps({"port": port, "ca": str(files.ca)}) + "\n")
    sys.stdout.flush()
    running = asyncio.create_task(serve(app, config, shutdown_trigger=wait))  # type: ignore[arg-type]
    await asyncio.to_thread(sys.stdin.read)
    ended.set()
    await running


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
