"""`bw serve`: one start of the official CLI that answers many questions, over HTTP on loopback."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

import psutil

from tests.official import Bw
from tests.server.json_types import Json, JsonValue

START = 60  # seconds
ANSWER = 60  # seconds
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Served:
    """A `bw serve`, from its start to its end."""

    def __init__(self, bw: Bw) -> None:
        """Serve what `bw` has, on a port that the kernel chooses."""
        self._process = subprocess.Popen(
            [bw.program, "serve", "--hostname", "127.0.0.1", "--port", "0"],
            env=bw.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self._stderr = ""
        self._port = self._await_port()

    def __enter__(self) -> Self:
        """Be ready."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """End it."""
        self.end()

    def end(self) -> str:
        """End it, and return what it wrote to stderr."""
        if self._process.stderr is not None and not self._process.stderr.closed:
            self._process.terminate()
            self._stderr = self._process.communicate()[1]
        return self._stderr

    def _await_port(self) -> int:
        end = time.monotonic() + START
        process = psutil.Process(self._process.pid)
        while time.monotonic() < end and self._process.poll() is None:
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    return int(connection.laddr.port)
            time.sleep(0.05)
        raise AssertionError(f"`bw serve` did not start: {self.end()}")

    def ask(self, method: str, *parts: str, send: JsonValue = None, **query: str) -> Json:
        """Ask for the path of `parts`: the reply's status, and its body, read as JSON if it is."""
        path = "".join("/" + quote(part, safe="") for part in parts)
        url = f"http://127.0.0.1:{self._port}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if send is None else json.dumps(send).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        try:
            with DIRECT.open(request, timeout=ANSWER) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        try:
            return {"status": status, "body": json.loads(body)}
        except ValueError:
            return {"status": status, "body": body.hex()}

    def get(self, *parts: str, **query: str) -> Json:
        """Ask with GET."""
        return self.ask("GET", *parts, **query)
