"""
Requests with the access token of a run, and one more login if the server does not accept the token any more.

NodeWarden invalidates the older access tokens of a device at each login. Parallel runs are the same device, so they
end each other's tokens. A run whose token is refused therefore logs in once more, as a device of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import uuid4

from bwrun.base.sensitive import Sensitive
from bwrun.login.token import Login
from bwrun.network.answer import Answer

if TYPE_CHECKING:
    from bwrun.network.client import Client

HTTP_UNAUTHORIZED = 401


class Access:
    """The access token of a run. Its methods may be called from several threads."""

    def __init__(
        self, client: Callable[[], Client], login: Login, device: str, log_in_as: Callable[[str], Login] | None
    ) -> None:
        """`client` returns the client for requests; `login` was made as `device`; `log_in_as` may log in as another."""
        self._get_client = client
        self._login = login
        self._device = device
        self._log_in_as = log_in_as
        self.keeps_device = log_in_as is None
        self._lock = threading.Lock()

    @property
    def token(self) -> Sensitive:
        """Return the access token that is valid now."""
        return self._login.access_token

    @property
    def lifetime(self) -> int:
        """Return the seconds for which the token was valid when it was issued."""
        return self._login.lifetime

    @property
    def device(self) -> str:
        """Return the identifier of the device that the token belongs to."""
        return self._device

    def get(self, path: str) -> Answer:
        """
        GET `{api}/path` with the access token. If the server refuses it, log in once more and send the request again.

        Raises NetworkError, ServerError, AuthenticationError.
        """
        token = self.token
        client = self._get_client()
        answer = client.get(path, token)
        if answer.status == HTTP_UNAUTHORIZED and self._replace(token):
            answer = client.get(path, self.token)
        return answer

    def download_attachment(self, item: str, attachment: str) -> bytes:
        """
        Return an attachment's body, as it is stored.

        The server says where the file is. No token is sent there (protocol notes 2.4, item 7).

        Raises NetworkError, ServerError, AuthenticationError.
        """
        from bwrun.network.client import attachment_path  # noqa: PLC0415  (few references name a file)

        return self._get_client().download(self.get(attachment_path(item, attachment)))

    def _replace(self, token: Sensitive) -> bool:
        """Return whether there is a newer token than this one. The first call in a run logs in to get one."""
        with self._lock:
            if self._login.access_token is token and self._log_in_as is not None:
                log_in_as, self._log_in_as = self._log_in_as, None
                device = str(uuid4())
                self._login, self._device = log_in_as(device), device
            return self._login.access_token is not token
