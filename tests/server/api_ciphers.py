"""Items: read, create, edit, trash, restore, delete, share, move between collections.

Sources: bitwarden/server src/Api/Vault/Controllers/CiphersController.cs, src/Api/Vault/Models/Request/
CipherRequestModel.cs; the paths are those the official CLI 2026.9 asks for (libs/common/src/services/api.service.ts).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.server.api import Gate, listed, not_found, reply
from tests.server.errors import api_error
from tests.server.json_types import Json
from tests.server.replies import cipher_reply
from tests.server.state import StoredAccount, make_id, timestamp
from tests.server.vault import TYPED_NAMES

# What a client decides about an item; everything else is the server's.
CLIENT_FIELDS = ("type", "name", "notes", "data", "key", *TYPED_NAMES, "fields", "passwordHistory")
OUT_OF_DATE = "The cipher you are updating is out of date. Please save your work, sync your vault, and try again."
# Clients round the date; the official server lets one second pass
# (src/Core/Vault/Services/Implementations/CipherService.cs ValidateCipherLastKnownRevisionDate).
CLOCK_TOLERANCE = timedelta(seconds=1)

Change = Callable[[Json], None]


class CipherApi:
    """Routes below /ciphers, attachments excepted."""

    def __init__(self, gate: Gate) -> None:
        """Answer behind `gate`."""
        self.gate = gate

    def routes(self) -> list[Route]:
        """Paths relative to the API URL."""
        guard = self.gate.route
        return [
            guard("/ciphers", "GET", self.list_all),
            guard("/ciphers", "POST", self.create),
            guard("/ciphers", "DELETE", self.delete_many),
            guard("/ciphers/create", "POST", self.create),
            guard("/ciphers/delete", "PUT", self.trash_many),
            guard("/ciphers/restore", "PUT", self.restore_many),
            guard("/ciphers/archive", "PUT", self.archive_many),
            guard("/ciphers/unarchive", "PUT", self.unarchive_many),
            guard("/ciphers/organization-details", "GET", self.list_organization),
            guard("/ciphers/organization-details/assigned", "GET", self.list_organization),
            guard("/ciphers/{id}", "GET", self.get),
            guard("/ciphers/{id}", "PUT POST", self.update),
            guard("/ciphers/{id}", "DELETE", self.delete),
            guard("/ciphers/{id}/details", "GET", self.get),
            guard("/ciphers/{id}/admin", "GET", self.get),
            guard("/ciphers/{id}/admin", "PUT", self.update),
            guard("/ciphers/{id}/admin", "DELETE", self.delete),
            guard("/ciphers/{id}/partial", "PUT POST", self.update_partial),
            guard("/ciphers/{id}/share", "PUT POST", self.share),
            guard("/ciphers/{id}/collections", "PUT POST", self.collections),
            guard("/ciphers/{id}/collections-admin", "PUT POST", self.collections),
            guard("/ciphers/{id}/collections_v2", "PUT POST", self.collections_v2),
            guard("/ciphers/{id}/delete", "PUT", self.trash),
            guard("/ciphers/{id}/delete-admin", "PUT", self.trash),
            guard("/ciphers/{id}/restore", "PUT", self.restore),
            guard("/ciphers/{id}/restore-admin", "PUT", self.restore),
        ]

    async def list_all(self, account: StoredAccount, _request: Request) -> Response:
        """All items; no version filter here, unlike sync."""
        return listed(account, [cipher_reply(account, c) for c in account.ciphers.values()])

    async def list_organization(self, account: StoredAccount, request: Request) -> Response:
        """All items of one organization."""
        owner = request.query_params.get("organizationId")
        items = [c for c in account.ciphers.values() if c["organizationId"] == owner]
        return listed(account, [cipher_reply(account, c) for c in items])

    async def get(self, account: StoredAccount, request: Request) -> Response:
        """One item."""
        cipher = find_cipher(account, request)
        return not_found(account) if cipher is None else reply(account, cipher_reply(account, cipher, alone=True))

    async def create(self, account: StoredAccount, request: Request) -> Response:
        """A new item; /ciphers/create has it beside its collectionIds."""
        body = await request.json()
        asked = body.get("cipher", body)
        now = timestamp()
        cipher: Json = {
            "id": make_id(),
            "attachments": None,
            "edit": True,
            "viewPassword": True,
            "permissions": {"delete": True, "restore": True},
            "creationDate": now,
            "deletedDate": None,
            "object": "cipherDetails",
        }
        take_over(cipher, asked)
        take_owner(cipher, asked.get("organizationId"), body.get("collectionIds") or [])
        account.ciphers[cipher["id"]] = cipher
        return changed(account, cipher)

    async def update(self, account: StoredAccount, request: Request) -> Response:
        """An item's new contents."""
        cipher, asked = find_cipher(account, request), await request.json()
        if cipher is None:
            return not_found(account)
        if is_out_of_date(cipher, asked):
            return api_error(account.style, OUT_OF_DATE)
        take_over(cipher, asked)
        return changed(account, cipher)

    async def update_partial(self, account: StoredAccount, request: Request) -> Response:
        """Folder and favourite only, for items one may not edit."""
        cipher, asked = find_cipher(account, request), await request.json()
        if cipher is None:
            return not_found(account)
        cipher |= {"folderId": asked.get("folderId"), "favorite": bool(asked.get("favorite"))}
        return changed(account, cipher)

    async def share(self, account: StoredAccount, request: Request) -> Response:
        """Give a personal item to an organization: re-encrypted contents and its collections."""
        cipher, body = find_cipher(account, request), await request.json()
        if cipher is None:
            return not_found(account)
        take_over(cipher, body["cipher"])
        take_owner(cipher, body["cipher"]["organizationId"], body["collectionIds"])
        return changed(account, cipher)

    async def collections(self, account: StoredAccount, request: Request) -> Response:
        """Put an item into other collections."""
        cipher, body = find_cipher(account, request), await request.json()
        if cipher is None:
            return not_found(account)
        cipher["collectionIds"] = body["collectionIds"]
        return changed(account, cipher)

    async def collections_v2(self, account: StoredAccount, request: Request) -> Response:
        """The same; the reply says whether the item is still to be seen."""
        cipher, body = find_cipher(account, request), await request.json()
        if cipher is None:
            return not_found(account)
        cipher["collectionIds"] = body["collectionIds"]
        note_change(account, cipher)
        answer = {"cipher": cipher_reply(account, cipher), "unavailable": False, "object": "optionalCipherDetails"}
        return reply(account, answer)

    async def trash(self, account: StoredAccount, request: Request) -> Response:
        """Into the trash."""
        return self._change_one(account, request, put_in_trash)

    async def restore(self, account: StoredAccount, request: Request) -> Response:
        """Out of the trash."""
        return self._change_one(account, request, take_from_trash)

    async def delete(self, account: StoredAccount, request: Request) -> Response:
        """For good."""
        cipher = find_cipher(account, request)
        return not_found(account) if cipher is None else remove(account, [cipher["id"]])

    async def delete_many(self, account: StoredAccount, request: Request) -> Response:
        """Several for good."""
        return remove(account, (await request.json())["ids"])

    async def trash_many(self, account: StoredAccount, request: Request) -> Response:
        """Several into the trash."""
        return await self._change_many(account, request, put_in_trash)

    async def restore_many(self, account: StoredAccount, request: Request) -> Response:
        """Several out of the trash."""
        return await self._change_many(account, request, take_from_trash)

    async def archive_many(self, account: StoredAccount, request: Request) -> Response:
        """Several into the archive."""
        return await self._change_many(account, request, lambda c: c.update(archivedDate=timestamp()))

    async def unarchive_many(self, account: StoredAccount, request: Request) -> Response:
        """Several out of the archive."""
        return await self._change_many(account, request, lambda c: c.update(archivedDate=None))

    def _change_one(self, account: StoredAccount, request: Request, change: Change) -> Response:
        cipher = find_cipher(account, request)
        if cipher is None:
            return not_found(account)
        change(cipher)
        return changed(account, cipher)

    async def _change_many(self, account: StoredAccount, request: Request, change: Change) -> Response:
        ciphers = [account.ciphers[key] for key in (await request.json())["ids"] if key in account.ciphers]
        for cipher in ciphers:
            change(cipher)
            note_change(account, cipher)
        return listed(account, [cipher_reply(account, c) for c in ciphers])


def find_cipher(account: StoredAccount, request: Request) -> Json | None:
    """The stored item a path is about."""
    return account.ciphers.get(request.path_params["id"])


def put_in_trash(cipher: Json) -> None:
    """Mark as deleted now."""
    cipher["deletedDate"] = timestamp()


def take_from_trash(cipher: Json) -> None:
    """Mark as not deleted."""
    cipher["deletedDate"] = None


def take_over(cipher: Json, asked: Json) -> None:
    """Store what a request says an item is; `attachments2` has file names and keys encrypted anew."""
    cipher |= {name: asked.get(name) for name in CLIENT_FIELDS}
    cipher |= {
        "folderId": asked.get("folderId"),
        "favorite": bool(asked.get("favorite")),
        "reprompt": asked.get("reprompt") or 0,
        "archivedDate": asked.get("archivedDate"),
    }
    for attachment in cipher["attachments"] or []:
        renewed = (asked.get("attachments2") or {}).get(attachment["id"])
        if renewed:
            attachment |= {"fileName": renewed["fileName"], "key": renewed.get("key")}


def take_owner(cipher: Json, organization_id: str | None, collection_ids: list[str]) -> None:
    """Store whose an item is."""
    cipher |= {
        "organizationId": organization_id,
        "collectionIds": collection_ids,
        "organizationUseTotp": organization_id is not None,
    }


def is_out_of_date(cipher: Json, asked: Json) -> bool:
    """Whether the client edited another version of the item than the stored one."""
    known = asked.get("lastKnownRevisionDate")
    if known is None:
        return False
    return abs(datetime.fromisoformat(known) - datetime.fromisoformat(cipher["revisionDate"])) > CLOCK_TOLERANCE


def note_change(account: StoredAccount, cipher: Json) -> None:
    """New revision dates for the item and the account."""
    cipher["revisionDate"] = timestamp()
    account.touch()


def changed(account: StoredAccount, cipher: Json) -> Response:
    """The reply to a change of one item: the item."""
    note_change(account, cipher)
    return reply(account, cipher_reply(account, cipher))


def remove(account: StoredAccount, ids: Iterable[str]) -> Response:
    """Forget items and their files; 200 with an empty body."""
    for cipher_id in ids:
        for attachment in account.ciphers.pop(cipher_id, {}).get("attachments") or []:
            account.files.pop(attachment["id"], None)
    account.touch()
    return Response(status_code=200)
