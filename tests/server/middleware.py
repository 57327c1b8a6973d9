"""Around the whole application: records every request, delays it, and applies faults.

Plain ASGI (https://asgi.readthedocs.io/en/latest/specs/www.html).  Requests below /_control/ are neither recorded nor
disturbed.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.server.faults import (
    CloseMidBody,
    Delay,
    Drip,
    DropFields,
    FaultRules,
    Hang,
    Hold,
    NotJson,
    Redirect,
    Reset,
    Signal,
    Status,
    TruncatedJson,
)
from tests.server.json_types import JsonValue
from tests.server.limits import Limits
from tests.server.styles import drop_fields
from tests.server.transport import client_pid, reset, transport_of

CONTROL_PREFIX = "/_control/"
NOT_JSON_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in</body></html>"


@dataclass
class RecordedRequest:
    """One request as it came in.

    `headers` in lower case; `status` 0 while (or if) nothing was answered; `time` in seconds since the epoch at
    arrival; `form` of an urlencoded body, `body` the text of any other; `connection` the client's port.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    status: int = 0
    time: float = field(default_factory=time.time)
    form: dict[str, str] = field(default_factory=dict)
    body: str = ""
    connection: int = 0


class Recorder:
    """All requests since the start or the last `clear`, in order of arrival."""

    def __init__(self) -> None:
        """Nothing recorded."""
        self.requests: list[RecordedRequest] = []

    def add(self, scope: Scope, body: bytes) -> RecordedRequest:
        """Take one request down."""
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        path, query = scope["path"], scope["query_string"].decode("latin-1")
        record = RecordedRequest(scope["method"], path, query, headers, connection=scope["client"][1])
        text = body.decode("utf-8", "replace")
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            record.form = dict(parse_qsl(text, keep_blank_values=True))
        else:
            record.body = text
        self.requests.append(record)
        return record


class DisturbedApp:
    """The application with recording, latency (`delay_ms` for every request) and faults."""

    def __init__(
        self, app: ASGIApp, recorder: Recorder, faults: FaultRules, delay_ms: int, limits: Limits | None = None
    ) -> None:
        """Wrap `app`."""
        self.app = app
        self.limits = limits or Limits()
        self.recorder = recorder
        self.faults = faults
        self.delay_ms = delay_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PREFIX):
            await self.app(scope, receive, send)
            return
        body = await _read_body(receive)
        record = self.recorder.add(scope, body)

        async def noting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            await send(message)

        await asyncio.sleep(self.delay_ms / 1000)
        actions = self.faults.actions_for(scope["method"], scope["path"])
        for action in actions:
            if isinstance(action, Hold):
                await self.faults.cleared()
            await _pass_through(action, scope)
        refusal = self.limits.ask(scope["path"], record.headers, time.monotonic())
        actions += [] if refusal is None else [refusal]
        replacing = [action for action in actions if not isinstance(action, (Delay, Hold, Signal))]
        replay = _replay(body, receive)
        if replacing:
            await self._disturb(replacing[0], scope, replay, noting_send)
        else:
            await self.app(scope, replay, noting_send)

    async def _disturb(self, action: JsonValue, scope: Scope, receive: Receive, send: Send) -> None:
        if isinstance(action, Hang):
            await _until_disconnected(receive)
        elif isinstance(action, Reset):
            if action.handled:
                await self._handle(scope, receive)
            reset(scope)
            await _until_disconnected(receive)
        elif isinstance(action, (Status, Redirect, NotJson)):
            await _substitute(action)(scope, receive, send)
        else:
            start, body = await self._handle(scope, receive)
            await _alter(action, scope, start, body, send)
            if isinstance(action, CloseMidBody):
                transport_of(scope).close()
                await _until_disconnected(receive)

    async def _handle(self, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
        """The reply the application gives, kept back: its start message and its body."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


async def _read_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body already read, and then what really comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


async def _pass_through(action: object, scope: Scope) -> None:
    if isinstance(action, Delay):
        await asyncio.sleep(action.ms / 1000)
    elif isinstance(action, Signal):
        pid = client_pid(scope) if action.pid is None else action.pid
        if pid is not None:
            os.kill(pid, action.number)
        await asyncio.sleep(action.hold_ms / 1000)


def _substitute(action: Status | Redirect | NotJson) -> Response:
    if isinstance(action, Status):
        return Response(action.body, action.code, action.headers, action.content_type)
    if isinstance(action, Redirect):
        return RedirectResponse(action.location, action.code)
    return HTMLResponse(NOT_JSON_PAGE)


async def _alter(action: JsonValue, scope: Scope, start: Message, body: bytes, send: Send) -> None:
    """Send the application's reply, but not all of it, or not as it was, or not at once."""
    if isinstance(action, TruncatedJson):
        body = body[: len(body) // 2]
    elif isinstance(action, DropFields):
        body = json.dumps(drop_fields(json.loads(body), action.names)).encode()
    headers = [(key, value) for key, value in start["headers"] if key != b"content-length"]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({**start, "headers": headers})
    if isinstance(action, CloseMidBody):
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        return
    if isinstance(action, Drip):
        for at in range(0, len(body), action.chunk_bytes):
            piece = body[at : at + action.chunk_bytes]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(action.interval_ms / 1000)
        body = b""
    await send({"type": "http.response.body", "body": body})
