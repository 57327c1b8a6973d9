"""The test's side of the server: starts it, tells it what to hold and what to do wrong, asks what it saw.

    with BitwardenServer.start() as server:
        account = server.add_account(AccountSpec("ada@example.com", "correct horse", items=(
            ItemSpec("prod-db", Login(username="u", password="p")),)))
        server.set_fault(Fault("/connect/token", Status(500), count=1))
        ...
        assert [request.path for request in server.requests()] == ["/identity/connect/token", "/api/sync"]

The server is a process of its own (`python -m tests.server`), on 127.0.0.1 only, and dies with this one.
"""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.server.faults import Fault
from tests.server.json_types import JsonValue
from tests.server.limits import Limit
from tests.server.spec_json import to_json
from tests.server.specs import AccountSpec, ItemSpec
from tests.server.tls import CertificateKind

ROOT = Path(__file__).parents[2]
CONTROL_TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Account:
    """An account the server holds; ids by name, `user_key_hex` 128 hex digits."""

    client_id: str
    client_secret: str
    user_id: str
    email: str
    master_password: str
    user_key_hex: str
    item_ids: Mapping[str, str]
    folder_ids: Mapping[str, str]
    collection_ids: Mapping[str, str]
    organization_ids: Mapping[str, str]


@dataclass(frozen=True)
class RecordedRequest:
    """A request the server saw.

    `path` with the server's prefix, without the query; `headers` in lower case; `status` 0 if nothing was answered
    (yet); `time` in seconds since the epoch; `form` of an urlencoded body, else `body` has its text; requests of one
    connection have the same `connection`.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    status: int
    time: float
    form: Mapping[str, str]
    body: str
    connection: int


class BitwardenServer:
    """A running server."""

    def __init__(self, url: str, ca_file: Path, pid: int, control_token: str) -> None:
        """Reach the server at `url`; use `start` to make one."""
        self.url = url
        self.ca_file = ca_file
        self.pid = pid
        self._control_token = control_token
        self._control: http.client.HTTPConnection | None = None  # kept: a handshake costs more than a command

    @classmethod
    @contextmanager
    def start(
        cls,
        path_prefix: str = "",
        delay_ms: int = 0,
        certificate: CertificateKind | None = "trusted",
        port: int = 0,
    ) -> Iterator[BitwardenServer]:
        """A server of its own process until the end of the block; `certificate` None means plain HTTP."""
        with tempfile.TemporaryDirectory(prefix="bwrun-test-server-") as directory:
            arguments = ["--watch-stdin", "--directory", directory, "--path-prefix", path_prefix]
            arguments += ["--delay-ms", str(delay_ms), "--certificate", certificate or "none", "--port", str(port)]
            command = [sys.executable, "-m", "tests.server", *arguments]
            with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                try:
                    assert process.stdout is not None
                    line = process.stdout.readline()
                    if not line:
                        message = "the test server did not start"
                        raise RuntimeError(message)
                    ready = json.loads(line)
                    server = cls(ready["url"], Path(ready["ca_file"]), ready["pid"], ready["control_token"])
                    with closing(server):
                        yield server
                finally:
                    process.kill()

    @property
    def identity_url(self) -> str:
        """Base of the identity service."""
        return self.url + "/identity"

    @property
    def api_url(self) -> str:
        """Base of the API."""
        return self.url + "/api"

    def add_account(self, spec: AccountSpec) -> Account:
        """Make an account with its vault."""
        return Account(**self._command("add_account", to_json(spec)))

    def add_items(self, account: Account, *items: ItemSpec) -> Account:
        """More items for an account; gives the account with the new ids."""
        return Account(**self._command("add_items", {"user_id": account.user_id, "items": to_json(items)}))

    def rotate_api_key(self, account: Account) -> Account:
        """A new client_secret in place of the old one; gives the account with it."""
        secret = secrets.token_urlsafe(22)
        return Account(**self._command("rotate_api_key", {"user_id": account.user_id, "client_secret": secret}))

    def change_master_password(self, account: Account, password: str) -> Account:
        """Another master password, which wraps the same user key; gives the account with it."""
        return Account(**self._command("change_master_password", {"user_id": account.user_id, "password": password}))

    def rotate_keys(self, account: Account, **changes: JsonValue) -> Account:
        """A new user key, under which all is encrypted anew; with `changes` to the spec, such as `v2`."""
        return Account(**self._command("rotate_keys", {"user_id": account.user_id, "changes": changes}))

    def expire_tokens(self, account: Account) -> None:
        """From now on answer every token issued to the account so far with 401."""
        self._command("expire_tokens", {"user_id": account.user_id})

    def change_spec(self, account: Account, **changes: JsonValue) -> None:
        """Change fields of the account's spec that replies depend on, e.g. reply_style or disabled; not the keys."""
        self._command("change_spec", {"user_id": account.user_id, "changes": changes})

    def set_fault(self, fault: Fault) -> None:
        """Add a fault."""
        self._command("set_fault", to_json(fault))

    def set_limit(self, limit: Limit) -> None:
        """Add a limit on how often clients may ask; `clear_faults` takes it away."""
        self._command("set_limit", to_json(limit))

    def clear_faults(self) -> None:
        """Let everything go right again."""
        self._command("clear_faults", {})

    def requests(self) -> list[RecordedRequest]:
        """All requests so far, in order of arrival."""
        return [RecordedRequest(**record) for record in self._command("requests", {})]

    def logins(self) -> int:
        """Return how often a token was asked for so far."""
        return sum(request.path.endswith("/connect/token") for request in self.requests())

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._command("clear_requests", {})

    def close(self) -> None:
        """Close the connection for commands."""
        if self._control is not None:
            self._control.close()
            self._control = None

    def _command(self, name: str, arguments: JsonValue) -> JsonValue:
        """Run a control command, over one connection for all."""
        if self._control is None:
            self._control = self._connect()
        headers = {"X-Control-Token": self._control_token}
        try:
            self._control.request("POST", f"/_control/{name}", json.dumps(arguments), headers)
            answer = self._control.getresponse()
            body = answer.read()
        except BaseException:
            self.close()  # half a conversation is no start for the next
            raise
        if answer.status != 200:
            message = f"{name}: {answer.status} {body.decode(errors='replace')}"
            raise RuntimeError(message)
        return json.loads(body)

    def _connect(self) -> http.client.HTTPConnection:
        """Return a connection for commands; the certificate is not checked, it may be bad on purpose."""
        address = urlsplit(self.url)
        port = address.port or 0
        if address.scheme == "https":
            context = ssl._create_unverified_context()  # noqa: S323, SLF001  # loopback, and bad on purpose
            return http.client.HTTPSConnection("127.0.0.1", port, timeout=CONTROL_TIMEOUT_SECONDS, context=context)
        return http.client.HTTPConnection("127.0.0.1", port, timeout=CONTROL_TIMEOUT_SECONDS)
