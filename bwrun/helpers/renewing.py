"""
The helper of `--renew`: one login, one new access token in the session, and the end.

It gets the API key on stdin, from the supervisor, and never the master password.
"""

from __future__ import annotations

import os
import sys

from bwrun.base.channel import decode, encode
from bwrun.base.console import printable
from bwrun.base.deadline import Deadline
from bwrun.base.errors import BwrunError
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.base.timings import Timings
from bwrun.credentials.finding import ApiKey
from bwrun.login.token import access_token_of, login_form
from bwrun.network.client import Client
from bwrun.network.proxies import EXCEPTION_VARIABLES, PROXY_VARIABLES
from bwrun.network.routing import Network
from bwrun.session.rewriting import replace_access_token
from bwrun.settings.servers import Server

TIMEOUT = 120.0  # seconds for a login
NETWORK_VARIABLES = (*PROXY_VARIABLES, *EXCEPTION_VARIABLES, "SSL_CERT_FILE", "SSL_CERT_DIR")


class Order(Struct):
    """What the helper has to know; it crosses two processes as words."""

    api_key: ApiKey
    server: Server
    ca_files: tuple[str, ...]
    client_version: str
    device: str
    path: str  # of the session's data.json

    def to_words(self) -> list[bytes]:
        """Return it as words, with the caller's proxy variables at the end."""
        texts = (
            self.api_key.client_id,
            self.server.identity,
            self.server.api,
            self.client_version,
            self.device,
            self.path,
        )
        network = [f"{name}={os.environ[name]}" for name in NETWORK_VARIABLES if os.environ.get(name)]
        files = encode([os.fsencode(path) for path in self.ca_files])
        return [self.api_key.client_secret.reveal(), files, *map(os.fsencode, texts), *map(os.fsencode, network)]

    @classmethod
    def from_words(cls, words: list[bytes]) -> Order:
        """Read what `to_words()` made, and set the proxy variables."""
        secret, files, *rest = words
        client_id, identity, api, version, device, path, *network = map(os.fsdecode, rest)
        for entry in network:
            name, _, value = entry.partition("=")
            os.environ[name] = value
        ca_files = tuple(os.fsdecode(path) for path in decode(files.strip()) if path)
        server = Server(identity=identity, api=api, base=None, region="Self-hosted")
        return cls(ApiKey(client_id, Sensitive(secret)), server, ca_files, version, device, path)


def main(_words: list[str]) -> None:
    """Do it; print the new token's life in seconds, or what went wrong (never a secret)."""
    try:
        said = str(renew(Order.from_words(decode(sys.stdin.buffer.read().rstrip(b"\n")))))
    except BwrunError as error:
        said = f"{error.message} [{error.code}]"
    except BaseException as error:  # noqa: BLE001  (its text could quote the key)
        said = f"{type(error).__name__} [internal]"
    os.write(1, printable(said)[:1000].encode())
    os._exit(0)


def renew(order: Order) -> int:
    """
    Log in and put the new access token into the session; return its life in seconds.

    Raises BwrunError.
    """
    deadline = Deadline(TIMEOUT)
    network = Network(order.ca_files, deadline, Timings(0))
    client = Client(order.server, network, order.client_version, deadline)
    answer = client.post_token(login_form(order.api_key, order.device), order.api_key.client_secret)
    token, lifetime = access_token_of(answer)
    replace_access_token(order.path, token)
    return lifetime
