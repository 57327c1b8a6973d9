"""
What a run fetches of the vault: one sync, or a few items alone where nothing has to be looked up by name.

Facts: protocol notes 3 (what is cheaper than a full sync).
"""

from __future__ import annotations

from functools import partial

from bwrun.base.errors import AuthenticationError, ServerError
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.base.tasks import Task
from bwrun.network.answer import HTTP_OK, Answer
from bwrun.network.client import Client

AT_ONCE = 4  # requests
# There is no such item, or it is not this account's.  Vaultwarden says so with 400
# (dani-garcia/vaultwarden:src/api/core/ciphers.rs), and nothing else can be wrong with a request for one id.
NO_ITEM = (400, 404)


class Fetched(Struct):
    """A sync's reply, or what has its form."""

    data: dict[str, object]
    date: str | None  # the server's clock: its Date header


def fetch_sync(client: Client, token: Sensitive) -> Fetched:
    """
    Fetch the whole vault.

    Raises NetworkError, ServerError.
    """
    answer = client.get("sync?excludeDomains=true", token)
    return Fetched(_record(answer, "sync"), answer.headers.get("date"))


def fetch_items(client: Client, token: Sensitive, ids: tuple[str, ...]) -> Fetched:
    """
    Fetch items alone, and the profile (for the organizations' keys) if one of them belongs to an organization.

    An id that the server does not know is left out.  The outermost names are those of old servers, so that whoever
    reads them puts all names right.

    Raises NetworkError, ServerError.
    """

    def fetch(some: tuple[str, ...]) -> list[Answer]:
        return [client.get(f"ciphers/{identity}/details", token) for identity in some]

    strands = [Task(partial(fetch, ids[at::AT_ONCE])) for at in range(min(AT_ONCE, len(ids)))]
    answers = [answer for strand in strands for answer in strand.result()]
    items = [_record(answer, "item") for answer in answers if answer.status not in NO_ITEM]
    profile: object = {}
    if any(value for item in items for name, value in item.items() if name.lower() == "organizationid"):
        profile = _record(client.get("accounts/profile", token), "profile")
    return Fetched({"Profile": profile, "Ciphers": items}, None)


def _record(answer: Answer, what: str) -> dict[str, object]:
    if answer.status in (401, 403):
        raise AuthenticationError("token-refused", f"{answer.url} does not accept the access token ({answer.status})",
                                  "check that `--identity-url` and `--api-url` belong to the same server")  # fmt: skip
    if answer.status != HTTP_OK:
        said = f"{answer.status} {answer.message}".strip()
        raise ServerError(
            "sync", f"cannot fetch the {'vault' if what == 'sync' else what} from {answer.url} ({said})",
            "check `--server`, including the path of its URL",
        )  # fmt: skip
    if not isinstance(answer.data, dict):
        raise ServerError("unexpected-reply", f"the server's reply to the {what} is not a JSON object")
    return answer.data
