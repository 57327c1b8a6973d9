"""Folders: list, get, create, rename, delete (bitwarden/server src/Api/Vault/Controllers/FoldersController.cs)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.server.api import Gate, listed, not_found, reply
from tests.server.json_types import Json
from tests.server.state import StoredAccount, make_id, timestamp


class FolderApi:
    """Routes below /folders."""

    def __init__(self, gate: Gate) -> None:
        """Answer behind `gate`."""
        self.gate = gate

    def routes(self) -> list[Route]:
        """Paths relative to the API URL."""
        guard = self.gate.route
        return [
            guard("/folders", "GET", self.list_all),
            guard("/folders", "POST", self.create),
            guard("/folders/{id}", "GET", self.get),
            guard("/folders/{id}", "PUT POST", self.rename),
            guard("/folders/{id}", "DELETE", self.delete),
        ]

    async def list_all(self, account: StoredAccount, _request: Request) -> Response:
        """All folders."""
        return listed(account, list(account.folders.values()))

    async def get(self, account: StoredAccount, request: Request) -> Response:
        """One folder."""
        folder = account.folders.get(request.path_params["id"])
        return not_found(account) if folder is None else reply(account, folder)

    async def create(self, account: StoredAccount, request: Request) -> Response:
        """A new folder; the name comes encrypted."""
        return await _store(account, make_id(), request)

    async def rename(self, account: StoredAccount, request: Request) -> Response:
        """Another name."""
        folder_id = request.path_params["id"]
        if folder_id not in account.folders:
            return not_found(account)
        return await _store(account, folder_id, request)

    async def delete(self, account: StoredAccount, request: Request) -> Response:
        """Forget a folder; its items stay, without one."""
        folder_id = request.path_params["id"]
        if account.folders.pop(folder_id, None) is None:
            return not_found(account)
        for cipher in account.ciphers.values():
            if cipher["folderId"] == folder_id:
                cipher["folderId"] = None
        account.touch()
        return Response(status_code=200)


async def _store(account: StoredAccount, folder_id: str, request: Request) -> Response:
    name = (await request.json())["name"]
    folder: Json = {"id": folder_id, "name": name, "revisionDate": timestamp(), "object": "folder"}
    account.folders[folder_id] = folder
    account.touch()
    return reply(account, folder)
