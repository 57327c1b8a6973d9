"""
Fetching the vault: as a whole (a sync), or a few items by their ids.

Which of the two costs less: protocol notes 3.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bwrun.base.errors import AuthenticationError, ServerError
from bwrun.base.tasks import Task
from bwrun.login.access import Access
from bwrun.network.answer import HTTP_OK, Answer

DOWNLOADING = "downloading the vault"  # what a person who waits for that is shown
AT_ONCE = 4  # requests at the same time
# The statuses for an item that does not exist or is not this account's. Vaultwarden answers 400
# (dani-garcia/vaultwarden:src/api/core/ciphers.rs), which can have no other cause in a request for one id.
NO_ITEM = (400, 404)


class Fetched:
    """The server's reply to a sync, or single items in the same form."""

    def __init__(
        self,
        read: Callable[[], dict[str, object]],
        date: float | None = None,
        current: float | None = None,
        size: int | None = None,
    ) -> None:
        """
        `read` returns the reply, and is called if the reply is needed, once.

        `date` is the header Date of the reply, and `current` is when the vault was last known to be current, by the
        clock of this machine; None: just now. Both are in seconds since the epoch. `size`: bytes of the reply; None: it
        is not known.
        """
        self._read = read
        self._data: dict[str, object] | None = None
        self.date = date
        self.current = current
        self.size = size

    @property
    def data(self) -> dict[str, object]:
        """Return the reply."""
        if self._data is None:
            self._data = self._read()
        return self._data


def fetch_sync(access: Access) -> Fetched:
    """
    Fetch the whole vault.

    Raises NetworkError: there is no answer; ServerError: the answer is an error or not a JSON object.
    """
    answer = access.get("sync?excludeDomains=true")
    record = _record(answer, "sync", access)
    return Fetched(lambda: record, seconds_of(answer.headers.get("date")), size=answer.size)


def fetch_items(access: Access, ids: tuple[str, ...], *, with_profile: bool = False) -> Fetched:
    """
    Fetch items by their ids, and the profile if one of them belongs to an organization, whose key is in the profile.

    `with_profile`: fetch the profile in any case, for the account's own keys.

    An id that the server does not know is left out. The result has the outermost names of old servers (`Profile`,
    `Ciphers`), so that its reader converts all names to those of new servers.

    Raises NetworkError: there is no answer; ServerError: an answer is an error or not a JSON object.
    """

    def fetch(some: tuple[str, ...]) -> list[Answer]:
        return [access.get(f"ciphers/{identity}/details") for identity in some]

    tasks = [Task(partial(fetch, ids[at::AT_ONCE])) for at in range(min(AT_ONCE, len(ids)))]
    answers = [answer for task in tasks for answer in task.result()]
    items = [_record(answer, "item", access) for answer in answers if answer.status not in NO_ITEM]
    profile: object = {}
    if with_profile or any(value for item in items for name, value in item.items() if name.lower() == "organizationid"):
        profile = _record(access.get("accounts/profile"), "profile", access)
    return Fetched(lambda: {"Profile": profile, "Ciphers": items})


def fetch_item(access: Access, identity: str) -> dict[str, object] | None:
    """
    Fetch one item alone, None if there is none of that id.

    Raises NetworkError, ServerError.
    """
    answer = access.get(f"ciphers/{identity}/details")
    return None if answer.status in NO_ITEM else _record(answer, "item", access)


def seconds_of(header: str | None) -> float | None:
    """Return the header Date in seconds since the epoch, None if there is none that can be read."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  (12 ms where nothing has been fetched)

    try:
        return None if header is None else parsedate_to_datetime(header).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _record(answer: Answer, what: str, access: Access) -> dict[str, object]:
    """Return the JSON object of an answer; `what` names it for the error message."""
    if answer.status in (401, 403):
        hints = ["check that `--identity-url` and `--api-url` belong to the same server"]
        if access.keeps_device:
            hints.insert(0, "a later login with the same BWRUN_DEVICE_ID may have ended it: unset BWRUN_DEVICE_ID")
        raise AuthenticationError(
            "token-refused", f"{answer.url} does not accept the access token ({answer.status})", *hints
        )
    if answer.status != HTTP_OK:
        said = f"{answer.status} {answer.message}".strip()
        raise ServerError(
            "sync", f"cannot fetch the {'vault' if what == 'sync' else what} from {answer.url} ({said})",
            "check `--server`, including the path of its URL",
        )  # fmt: skip
    if not isinstance(answer.data, dict):
        raise ServerError("unexpected-reply", f"the server's reply to the {what} is not a JSON object")
    return answer.data
