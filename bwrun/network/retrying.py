"""
What happens between two attempts of a request: the wait, or the error if there is no time for it.

`backoff` decides how long a wait is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil
from random import random

from bwrun.base.deadline import Deadline
from bwrun.base.errors import ServerError
from bwrun.base.sensitive import Sensitive
from bwrun.network.answer import Answer, parse_json
from bwrun.network.backoff import LEAST_SPREAD, MOST_RETRIES, SHARE, Backoff
from bwrun.network.failures import network_failure
from bwrun.network.rate_limit import told_wait
from bwrun.network.transport import Kind, Reply, TransportError
from bwrun.settings.servers import EU, US, origin
from bwrun.settings.values import MAX_TIMEOUT

LOGIN = "/connect/token"
WORTH_SAYING = 1.0  # seconds; longer waits are printed
CLOUD_LOGINS = [f"{server.identity}{LOGIN}" for server in (US, EU)]


class Retries:
    """The waits of one request. Not for several threads."""

    def __init__(self, url: str, deadline: Deadline, tell: Callable[[str], None]) -> None:
        """`url` is that of the request. `tell` prints a text; it is called before a wait of more than a second."""
        self._url = url
        self._is_login = url.endswith(LOGIN)
        self._deadline = deadline
        self._tell = tell
        self._backoff = Backoff(random)

    def wait_for_turn(self, reply: Reply, secrets: tuple[Sensitive, ...]) -> None:
        """
        Wait after a 429. `secrets` are removed from the server's message before it is shown.

        Raises ServerError: there is no time for the wait.
        """
        message = Answer(reply.status, reply.headers, parse_json(reply.body), sent=secrets + reply.sent).message
        told = told_wait(reply.headers, message, time.time())
        wait = self._backoff.after_limit(told, self._deadline.left())
        if wait is None:
            raise self._rate_limit(message, told)
        self._sleep(wait, f"the server limits {self._what}")

    def wait_for_recovery(self, reply: Reply) -> None:
        """
        Wait after an answer that says that the server failed (5xx).

        Raises ServerError: it failed too often, or there is no time for the wait.
        """
        failure = f"{origin(self._url)} failed ({reply.status})"
        told = told_wait(reply.headers, "", time.time())
        left = self._deadline.left()
        wait = self._backoff.after_failure(told, left)
        if wait is None:
            tries = self._backoff.tries
            asks = f" and asks bwrun to wait {told:.0f} s" if told is not None and told >= left else ""
            message = f"{failure} in {tries} attempt{'' if tries == 1 else 's'}{asks}"
            raise ServerError("unavailable", message, "try again later")
        self._sleep(wait, failure)

    def wait_after_break(self, error: TransportError) -> None:
        """
        Wait after a connection that was closed too early.

        Raises NetworkError: that happened too often, or there is no time for the wait.
        """
        wait = self._backoff.after_failure(None, self._deadline.left())
        if wait is None:
            if self._backoff.failures <= MOST_RETRIES:
                error = TransportError(Kind.TIMEOUT, proxy=error.proxy)
            raise network_failure(error, self._url, self._deadline, self._backoff.tries) from None
        self._sleep(wait, "the connection was closed early")

    @property
    def _what(self) -> str:
        return "logins" if self._is_login else "requests"

    def _sleep(self, seconds: float, why: str) -> None:
        if seconds > WORTH_SAYING:
            self._tell(f"waiting {seconds:.0f} s: {why}")
        time.sleep(seconds)

    def _rate_limit(self, message: str, told: float | None) -> ServerError:
        """Return the error. `message` is the server's own; `told` is the wait in seconds that it asks for, if any."""
        left = max(0.0, self._deadline.left())
        said = f"429: {message}" if message else "429"
        asks = "does not say how long to wait" if told is None else f"asks bwrun to wait {told:.0f} s"
        waited = f", after {self._backoff.waited:.0f} s of waiting" if self._backoff.waited else ""
        return ServerError(
            "rate-limit",
            f"{origin(self._url)} limits {self._what} ({said}) and {asks};"
            f" {left:.0f} s of the timeout are left{waited}",
            *self._hints(told, left),
        )

    def _hints(self, told: float | None, left: float) -> list[str]:
        """Return what helps. A server seldom says whether it counts an address, an account or failures: no guess."""
        hints = ["allow more time with `--timeout`"]
        if told is not None:
            enough = 10 * ceil((self._deadline.seconds - left + told * (1 + SHARE) + LEAST_SPREAD) / 10)
            hints = [
                f"wait that long with `--timeout {enough}`" if enough <= MAX_TIMEOUT else "try again after that time"
            ]
        if self._url in CLOUD_LOGINS:
            hints.append("bitwarden.com and bitwarden.eu allow 10 logins per minute from one IP address")
        if self._is_login:
            hints.append("`bwrun -- make` logs in once for all bwrun runs that make starts")
        return hints
