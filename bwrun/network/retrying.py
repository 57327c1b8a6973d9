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
from bwrun.network.remembered import LOGINS, REQUESTS, Memory, Record, make_record
from bwrun.network.transport import Kind, Reply, TransportError
from bwrun.settings.servers import EU, US, origin
from bwrun.settings.values import MAX_TIMEOUT

LOGIN = "/connect/token"
TOO_MANY_REQUESTS = 429
WORTH_SAYING = 1.0  # seconds; longer waits are printed
CLOUD_LOGINS = [f"{server.identity}{LOGIN}" for server in (US, EU)]


class Retries:
    """The waits of one request. Not for several threads."""

    def __init__(self, url: str, deadline: Deadline, tell: Callable[[str], None], memory: Memory | None = None) -> None:
        """
        Send nothing yet.

        `url` is that of the request. `tell` prints a text; it is called before a wait of more than a second. `memory`
        has what the server asked other runs to wait; None if it says nothing about this request.
        """
        self._url = url
        self._is_login = url.endswith(LOGIN)
        self._what = LOGINS if self._is_login else REQUESTS
        self._deadline = deadline
        self._tell = tell
        self._backoff = Backoff(random)
        self._memory = memory
        self._known: Record | None = None  # the record that this run has heeded or written

    def check_time(self, delay: float = 0.0) -> None:
        """
        Look whether there is time for the wait that the server asked other runs for.

        `delay`: in how many seconds the request will be made. A login looks at the requests after it, too.

        Raises ServerError: there is not.
        """
        if self._memory is None:
            return
        self._check_time(self._memory.recall(self._what, anew=True), self._what, delay)
        if self._is_login:
            self._check_time(self._memory.recall(REQUESTS, anew=False), REQUESTS, delay)

    def heed_others(self) -> None:
        """
        Wait as long as the server asked other runs to wait.

        Raises ServerError: there is no time for that.
        """
        if self._memory is None:
            return
        is_again = self._known is not None or self._backoff.tries > 0
        record = self._memory.recall(self._what, anew=is_again)
        while record is not None and record != self._known:
            self._known = record
            wait = self._backoff.after_another(self._rest(record), record.level, self._deadline.left())
            if wait is None:
                raise self._refused_before(record, self._what)
            self._sleep(wait, self._why(record.status))
            record = self._memory.recall(self._what, anew=True)

    def _check_time(self, record: Record | None, what: str, delay: float) -> None:
        if record is not None and self._rest(record) - delay >= self._deadline.left():
            raise self._refused_before(record, what)

    def tell_others(self) -> None:
        """Forget what this run knows of a wait, because the server has answered."""
        if self._memory is not None and self._known is not None:
            self._memory.forget(self._what, self._known)
            self._known = None

    def wait_for_turn(self, reply: Reply, secrets: tuple[Sensitive, ...]) -> None:
        """
        Wait after a 429. `secrets` are removed from the server's message before it is shown.

        Raises ServerError: there is no time for the wait.
        """
        message = Answer(reply.status, reply.headers, parse_json(reply.body), sent=secrets + reply.sent).message
        told = told_wait(reply.headers, message, time.time())
        wait = self._backoff.after_limit(told, self._deadline.left())
        self._remember(reply.status, told)
        if wait is None:
            raise self._rate_limit(message, told)
        self._sleep(wait, self._why(reply.status))
        self.heed_others()

    def wait_for_recovery(self, reply: Reply) -> None:
        """
        Wait after an answer that says that the server failed (5xx).

        Raises ServerError: it failed too often, or there is no time for the wait.
        """
        failure = f"{origin(self._url)} failed ({reply.status})"
        told = told_wait(reply.headers, "", time.time())
        left = self._deadline.left()
        wait = self._backoff.after_failure(told, left)
        if told is not None:
            self._remember(reply.status, told)
        if wait is None:
            tries = self._backoff.tries
            asks = f" and asks bwrun to wait {told:.0f} s" if told is not None and told >= left else ""
            message = f"{failure} in {tries} attempt{'' if tries == 1 else 's'}{asks}"
            raise ServerError("unavailable", message, "try again later")
        self._sleep(wait, failure)
        self.heed_others()

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

    def _remember(self, status: int, told: float | None) -> None:
        if self._memory is not None and self._backoff.asked > 0:
            asked, level = self._backoff.asked, self._backoff.level
            self._known = make_record(status, level, asked, self._memory.now(), told=told is not None)
            self._memory.remember(self._what, self._known)

    def _rest(self, record: Record) -> float:
        """Return the seconds that are left of a wait."""
        return 0.0 if self._memory is None else max(0.0, record.until - self._memory.now())

    def _why(self, status: int) -> str:
        if status == TOO_MANY_REQUESTS:
            return f"the server limits {self._what}"
        return f"{origin(self._url)} failed ({status})"

    def _sleep(self, seconds: float, why: str) -> None:
        if seconds > WORTH_SAYING:
            self._tell(f"waiting {seconds:.0f} s: {why}")
        self._deadline.note_wait(seconds, why)
        time.sleep(seconds)

    def _refused_before(self, record: Record, what: str) -> ServerError:
        """Return the error for a wait that the server asked another run for, and for which there is no time."""
        left, rest = max(0.0, self._deadline.left()), self._rest(record)
        ago = f"{record.until - record.written - rest:.0f} s ago"
        limits = record.status == TOO_MANY_REQUESTS
        why = f"limits {what}" if limits else "failed"
        asked = f"it {'asked another run to wait' if record.told else 'refused another run'} ({record.status})"
        return ServerError(
            "rate-limit" if limits else "unavailable",
            f"{origin(self._url)} {why}: {ago}, {asked}; that wait goes on for {rest:.0f} s,"
            f" but {left:.0f} s of the timeout are left{self._waited}",
            *self._hints(rest, left),
            "`bwrun --clean` forgets such waits",
        )

    @property
    def _waited(self) -> str:
        return f", after {self._backoff.waited:.0f} s of waiting" if self._backoff.waited else ""

    def _rate_limit(self, message: str, told: float | None) -> ServerError:
        """Return the error. `message` is the server's own; `told` is the wait in seconds that it asks for, if any."""
        left = max(0.0, self._deadline.left())
        said = f"429: {message}" if message else "429"
        asks = "does not say how long to wait" if told is None else f"asks bwrun to wait {told:.0f} s"
        return ServerError(
            "rate-limit",
            f"{origin(self._url)} limits {self._what} ({said}) and {asks};"
            f" {left:.0f} s of the timeout are left{self._waited}",
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
