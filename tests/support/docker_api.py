"""
What docker's client would make of an env file: it reads the file itself, and sends the variables to the daemon.

The daemon here answers the two requests of `docker create`, and starts nothing.
"""

from __future__ import annotations

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

from tests.support import needs
from tests.support.program import TIMEOUT


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True
    sent: list[str]


class _Daemon(BaseHTTPRequestHandler):
    """Answers as the API of docker 1.41 does (docs.docker.com/reference/api/engine)."""

    server: _Server

    def address_string(self) -> str:
        """Return a name: a client of a Unix socket has none."""
        return "docker"

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_HEAD(self) -> None:
        """Answer the question for the version."""
        self.send_response(200)
        self.send_header("Api-Version", "1.41")
        self.end_headers()

    def do_POST(self) -> None:
        """Take the variables of the container that shall be made."""
        self.server.sent += json.loads(self.rfile.read(int(self.headers["Content-Length"])))["Env"] or []
        body = json.dumps({"Id": "0" * 64, "Warnings": []}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def variables_of(env_file: Path, folder: Path) -> dict[str, str]:
    """
    Return the variables that docker's client reads from an env file; `folder` is empty.

    Raises AssertionError: docker refuses the file.
    """
    docker = needs.program("docker", "docker's client is not installed")
    address = folder / "docker.sock"
    with _Server(str(address), _Daemon) as server:
        server.sent = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        done = subprocess.run(
            [docker, "--host", f"unix://{address}", "create", "--env-file", env_file, "image"],
            check=False,
            capture_output=True,
            encoding="utf-8",
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
            timeout=TIMEOUT,
        )
        server.shutdown()
        thread.join()
    assert done.returncode == 0, done.stderr
    return dict(entry.split("=", 1) for entry in server.sent)
