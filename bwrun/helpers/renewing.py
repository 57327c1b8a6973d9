"""
The helper of `--renew`: it logs in once, writes the new access token into the session, and ends.

It reads the API key from stdin, where the supervisor writes it. It never gets the master password.
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
from bwrun.cache.waits import Waits
from bwrun.credentials.found import ApiKey
from bwrun.login.token import access_token_of, login_form
from bwrun.network.client import Client
from bwrun.network.gateway import Gateway
from bwrun.network.proxies import EXCEPTION_VARIABLES, PROXY_VARIABLES
from bwrun.network.routing import Network
from bwrun.session.formats import FORMAT
from bwrun.settings.servers import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.login.unlocked import UnlockedVault
    from bwrun.settings.config import Config

TIMEOUT = 120.0  # seconds for the login
NETWORK_VARIABLES = (*PROXY_VARIABLES, *EXCEPTION_VARIABLES, "SSL_CERT_FILE", "SSL_CERT_DIR")


class RenewalRequest(Struct):
    """All that the helper needs. The worker sends it to the supervisor, and the supervisor to the helper, as words."""

    api_key: ApiKey
    server: Server
    ca_files: tuple[str, ...]
    client_version: str
    device: str
    directory: str  # of the session
    gateway: Gateway | None  # the client certificate and the headers for the server

    def to_words(self) -> list[bytes]:
        """Return the request as words, followed by the variables of this process that a connection depends on."""
        texts = (
            self.api_key.client_id,
            self.server.identity,
            self.server.api,
            self.client_version,
            self.device,
            self.directory,
        )
        network = [f"{name}={os.environ[name]}" for name in NETWORK_VARIABLES if os.environ.get(name)]
        files = encode([os.fsencode(path) for path in self.ca_files])
        gateway = b"" if self.gateway is None else self.gateway.to_word()
        return [self.api_key.client_secret.reveal(), files, gateway, *map(os.fsencode, texts + tuple(network))]

    @classmethod
    def from_words(cls, words: list[bytes]) -> RenewalRequest:
        """Read the words that `to_words()` made, and set the variables in this process."""
        secret, files, gateway_word, *rest = words
        client_id, identity, api, version, device, directory, *network = map(os.fsdecode, rest)
        for entry in network:
            name, _, value = entry.partition("=")
            os.environ[name] = value
        ca_files = tuple(os.fsdecode(path) for path in decode(files.strip()) if path)
        server = Server(identity=identity, api=api, base=None, region="Self-hosted")
        gateway = Gateway.from_word(gateway_word) if gateway_word else None
        return cls(ApiKey(client_id, Sensitive(secret)), server, ca_files, version, device, directory, gateway)


def make_renewal_request(config: Config, unlocked: UnlockedVault, directory: str) -> RenewalRequest:
    """Return the request for renewing the access token of the session in `directory`."""
    return RenewalRequest(
        unlocked.api_key,
        config.server,
        config.ca_files,
        config.client_version,
        unlocked.access.device,
        directory,
        unlocked.gateway,
    )


def main(_words: list[str]) -> None:
    """Renew the token; print its lifetime in seconds, or a message that says why it failed, without a secret."""
    try:
        said = str(renew(RenewalRequest.from_words(decode(sys.stdin.buffer.read().rstrip(b"\n")))))
    except BwrunError as error:
        said = f"{error.message} [{error.code}]"
    except BaseException as error:  # noqa: BLE001  (only its type is printed: its text could quote the key)
        said = f"{type(error).__name__} [internal]"
    os.write(1, printable(said)[:1000].encode())
    os._exit(0)


def renew(request: RenewalRequest) -> int:
    """
    Log in and write the new access token into the session; return its lifetime in seconds.

    Raises BwrunError: the login failed, or the session cannot be written.
    """
    deadline = Deadline(TIMEOUT)
    network = Network(request.ca_files, deadline, Timings(0), request.gateway)
    waits = Waits(os.environ, request.api_key.client_id, request.server.identity)
    client = Client(request.server, network, request.client_version, deadline, memory=waits)
    answer = client.post_token(login_form(request.api_key, request.device), request.api_key.client_secret)
    token, lifetime = access_token_of(answer)
    FORMAT.replace_access_token(request.directory, token)
    return lifetime
