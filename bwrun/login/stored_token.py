"""
Downloading attachments with the access token of the outer bwrun's session. Nothing logs in here.

The token is not verified, because the server does that. Only its end is read, so that a request that must fail is not
sent.
"""

from __future__ import annotations

import binascii
import json
import time

from bwrun.base.errors import AuthenticationError, UnavailableItemError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.base.console import Console
    from bwrun.base.deadline import Deadline
    from bwrun.base.sensitive import Sensitive
    from bwrun.network.client import Client
    from bwrun.network.routing import Network
    from bwrun.settings.config import Config
    from bwrun.settings.servers import Server

HTTP_REFUSED = (401, 403)
RENEW = "in a long job, `--renew` of the outer run renews it; with `--only`, a session never has a valid one"
IN_OUTER = "or resolve the reference in the outer run: `bwrun -e NAME=@bw://ITEM/attachment/FILENAME -- COMMAND`"


class StoredToken:
    """The access token in a session, and the server that takes it."""

    def __init__(self, token: Sensitive | None, server: Server, config: Config, console: Console) -> None:
        """Send nothing yet. `config` says how to connect to `server`."""
        self._token = token
        self._server = server
        self._config = config
        self._console = console
        self._client: Client | None = None
        self._network: Network | None = None
        self._deadline: Deadline | None = None

    def restart_deadline(self) -> None:
        """Give the requests from now on as much time as the first ones had."""
        if self._deadline is not None:
            self._deadline.restart()

    def close(self) -> None:
        """Close the connections; nothing will be downloaded any more."""
        if self._network is not None:
            self._network.close()

    def download(self, item: str, attachment: str, file_name: str) -> bytes:
        """
        Return an attachment's body, as it is stored; messages call it `file_name`.

        Raises UnavailableItemError: the token has ended, or there is none; NetworkError, ServerError, ConfigError.
        """
        if self._token is None or not is_alive(self._token):
            raise UnavailableItemError(
                "no-download",
                f"the file `{file_name}` cannot be downloaded: the access token in the session of the outer bwrun is"
                " not valid any more",
                RENEW,
                IN_OUTER,
            )
        from bwrun.network.client import attachment_path  # noqa: PLC0415  (few references name a file)

        client = self._connected()
        answer = client.get(attachment_path(item, attachment), self._token)
        if answer.status in HTTP_REFUSED:
            raise AuthenticationError(
                "token-refused",
                f"{answer.url} does not accept the access token of the outer bwrun's session ({answer.status})",
                RENEW,
                IN_OUTER,
            )
        return client.download(answer)

    def _connected(self) -> Client:
        if self._client is None:
            from bwrun.base.deadline import Deadline  # noqa: PLC0415
            from bwrun.base.timings import Timings  # noqa: PLC0415
            from bwrun.network.client import Client  # noqa: PLC0415
            from bwrun.network.routing import Network  # noqa: PLC0415

            config, gateway = self._config, None
            deadline = Deadline(config.timeout)
            if config.gateway is not None:
                from bwrun.login.gateway import open_gateway  # noqa: PLC0415

                gateway = open_gateway(config.gateway, deadline)
            network = Network(config.ca_files, deadline, Timings(self._console.started), gateway)
            if config.gateway is not None and config.gateway.key_is_encrypted:
                from bwrun.credentials.gateway import read_key_password  # noqa: PLC0415

                network.open_client_key(read_key_password(config.gateway, config.sources, deadline))
            self._network, self._deadline = network, deadline
            self._client = Client(self._server, network, config.client_version, deadline, self._console.tell)
        return self._client


def is_alive(token: Sensitive) -> bool:
    """Return whether a token is a JWT whose end (`exp`) is in the future."""
    parts = token.reveal().split(b".")
    if len(parts) != 3:
        return False
    try:
        claims = json.loads(binascii.a2b_base64(parts[1].translate(bytes.maketrans(b"-_", b"+/")) + b"=="))
    except (ValueError, RecursionError):
        return False
    end = claims.get("exp") if isinstance(claims, dict) else None
    return isinstance(end, (int, float)) and end > time.time()
