"""
What a run fetches of the vault: one sync, or a few items alone where nothing has to be looked up by name.

Facts: protocol notes 3 (what is cheaper than a full sync).
"""

from __future__ import annotations

from functools import partial

from bwrun.base.errors import AuthenticationError, ServerError
from bwrun.base.structs import Struct
from bwrun.base.tasks import Task
from bwrun.login.access import Access
from bwrun.network.answer import HTTP_OK, Answer

AT_ONCE = 4  # requests
# There is no such item, or it is not this account's.  Vaultwarden says so with 400
# (dani-garcia/vaultwarden:src/api/core/ciphers.rs), and nothing else can be wrong with a request for one id.
NO_ITEM = (400, 404)


class Fetched(Struct):
    """A sync's reply, or what has its form."""

    data: dict[str, object]
    date: str | None  # the server's clock: its Date header


def fetch_sync(access: Access) -> Fetched:
    """
    Fetch the whole vault.

    Raises NetworkError, ServerError.
    """
    answer = access.get("sync?excludeDomains=true")
    return Fetched(_record(answer, "sync", access), answer.headers.get("date"))


def fetch_items(access: Access, ids: tuple[str, ...], *, with_profile: bool = False) -> Fetched:
    """
    Fetch items alone, and the profile (for the organizations' keys) if one of them belongs to an organization.

    `with_profile`: fetch the profile in any case, for the account's own keys.

    An id that the server does not know is left out.  The outermost names are those of old servers, so that whoever
    reads them puts all names right.

    Raises NetworkError, ServerError.
    """

    def fetch(some: tuple[str, ...]) -> list[Answer]:
        return [access.get(f"ciphers/{identity}/details") for identity in some]

    strands = [Task(partial(fetch, ids[at::AT_ONCE])) for at in range(min(AT_ONCE, len(ids)))]
    answers = [answer for strand in strands for answer in strand.result()]
    items = [_record(answer, "item", access) for answer in answers if answer.status not in NO_ITEM]
    profile: object = {}
    if with_profile or any(value for item in items for name, value in item.items() if name.lower() == "organizationid"):
        profile = _record(access.get("accounts/profile"), "profile", access)
    return Fetched({"Profile": profile, "Ciphers": items}, None)


def fetch_item(access: Access, identity: str) -> dict[str, object] | None:
    """
    Fetch one item alone, None if there is none of that id.

    Raises NetworkError, ServerError.
    """
    answer = access.get(f"ciphers/{identity}/details")
    return None if answer.status in NO_ITEM else _record(answer, "item", access)


def _record(answer: Answer, what: str, access: Access) -> dict[str, object]:
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
