"""
`bw serve`: one process of the official CLI that answers many questions over HTTP.

A start of the CLI costs most of a second of processor time, an answer of a running one a few milliseconds. The
classes that answer are the CLI's own for `bw list`, `bw get` and so on; that the command line itself works in a
session, other tests show.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx

from tests.official import TIMEOUT, Bw
from tests.server.json_types import Json, JsonValue
from tests.support.terminal import wait_until

BASE = "http://localhost:8087"  # the Host that `bw serve` lets through; the address is that of a socket file
ROUTES = {
    "status": ("GET", "/status"),
    "sync": ("POST", "/sync"),
    "list": ("GET", "/list/object"),
    "get": ("GET", "/object"),
    "create": ("POST", "/object"),
    "edit": ("PUT", "/object"),
    "delete": ("DELETE", "/object"),
    "restore": ("POST", "/restore"),
}


class Served:
    """A running `bw serve`, called as `Bw` is."""

    def __init__(self, http: httpx.Client) -> None:
        """Ask over this client; use `serve`."""
        self._http = http

    def __call__(self, *words: str, send: JsonValue = None) -> Json:
        """
        Ask for what `bw WORDS…` does; `send` is the item or folder that a command takes from stdin.

        Return status, stdout and stderr as the command would have them, without trailing line ends.
        """
        verb, *rest = words
        method, path = ROUTES[verb]
        flags = {word.removeprefix("--"): "true" for word in rest if word.startswith("--")}
        places = [quote(word, safe="") for word in rest if not word.startswith("--")]
        answer = self._http.request(method, "/".join((path, *places)), params=flags, json=send).json()
        if verb == "create" and answer["success"]:
            self._wait_for(rest[0], answer["data"]["id"])
        return as_printed(answer)

    def all(self, calls: Mapping[str, Sequence[str]]) -> Json:
        """Ask several things: what each came to, by its name."""
        return {name: self(*words) for name, words in calls.items()}

    def json(self, *words: str, send: JsonValue = None) -> JsonValue:
        """Ask for something that must be answered; read it as JSON."""
        done = self(*words, send=send)

        assert done["status"] == 0, done
        return json.loads(done["stdout"])

    def file(self, name: str, item_id: str) -> bytes:
        """Return the content of an attachment, as `bw get attachment` writes it."""
        self._wait_for("item", item_id, attachment=name)
        answer = self._http.get(f"/object/attachment/{quote(name, safe='')}", params={"itemid": item_id})

        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.content

    def attach(self, path: Path, item_id: str) -> Json:
        """Upload a file, as `bw create attachment` does."""
        with path.open("rb") as file:
            answer = self._http.post("/attachment", params={"itemid": item_id}, files={"file": file}).json()
        if answer["success"]:
            self._wait_for("item", item_id, attachment=path.name)
        return as_printed(answer)

    def _wait_for(self, kind: str, identity: str, *, attachment: str = "") -> None:
        """Wait until an object can be used: `bw serve` answers before it has noted what it made or synced."""

        def known() -> bool:
            found = self("get", kind, identity)
            return found["status"] == 0 and (not attachment or attachment in found["stdout"])

        wait_until(known, 60)


def as_printed(answer: Json) -> Json:
    """Return an answer as the command line shows it."""
    if not answer["success"]:
        return {"status": 1, "stdout": "", "stderr": answer["message"]}
    data = answer.get("data")
    if data is None:  # a deletion has nothing to say
        return {"status": 0, "stdout": "", "stderr": ""}
    match data["object"]:
        case "string":
            shown = data["data"]
        case "message":
            shown = data["title"]
        case "list":
            shown = json.dumps(data["data"])
        case "template":
            shown = json.dumps(data["template"])
        case _:
            shown = json.dumps(data)
    return {"status": 0, "stdout": shown, "stderr": ""}


@contextmanager
def serve(bw: Bw, *, quiet: bool = True) -> Iterator[Served]:
    """
    Run `bw serve` in the environment of `bw` until the end of the block.

    Raises AssertionError: it did not start, or, if it must be `quiet`, said something on stderr.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as output:
        path = Path(folder) / "socket"
        process = subprocess.Popen(
            [bw.program, "serve", "--hostname", f"unix://{path}"],
            env=bw.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            wait_until(lambda: path.exists() or process.poll() is not None, TIMEOUT)
            with httpx.Client(base_url=BASE, transport=httpx.HTTPTransport(uds=str(path)), timeout=TIMEOUT) as http:
                yield Served(http)
        finally:
            process.terminate()
            process.wait()
            output.seek(0)
            said = output.read()
            sys.stderr.write(said)
    assert not quiet or said == ""
