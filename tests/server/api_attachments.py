"""Attachments: announce and upload, address and download, delete.  Beside the API: file store, Key Connector, events.

Sources: bitwarden/server src/Api/Vault/Controllers/CiphersController.cs (attachment/v2; direct upload is
fileUploadType 0); bitwarden/key-connector src/KeyConnector/Controllers/UserKeysController.cs.
"""

from __future__ import annotations

import base64
import hmac

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.server.api import Gate, not_found, reply
from tests.server.api_ciphers import find_cipher, note_change
from tests.server.json_types import Json
from tests.server.replies import cipher_reply
from tests.server.state import StoredAccount, make_id
from tests.server.vault import attachment_json

DIRECT_UPLOAD = 0


class AttachmentApi:
    """Routes below /ciphers/{id}/attachment, and where the files themselves are."""

    def __init__(self, gate: Gate) -> None:
        """Answer behind `gate`; a file's address has a token of its own."""
        self.gate = gate

    def routes(self) -> list[Route]:
        """Paths relative to the API URL."""
        guard = self.gate.route
        one = "/ciphers/{id}/attachment/{attachment_id}"
        return [
            guard("/ciphers/{id}/attachment/v2", "POST", self.announce),
            guard(one, "GET", self.address),
            guard(one, "POST", self.upload),
            guard(one, "DELETE", self.delete),
            guard(one + "/admin", "GET", self.address),
            guard(one + "/admin", "DELETE", self.delete),
            guard(one + "/renew", "GET", self.address),
        ]

    def file_routes(self) -> list[Route]:
        """Paths relative to the server's URL."""
        return [
            Route("/attachments/{id}/{attachment_id}", self.download, methods=["GET"]),
            self.gate.route("/key-connector/user-keys", "GET", self.key_connector_key),
            self.gate.route("/events/collect", "POST", self.collect_events),
        ]

    def _url(self, cipher_id: str, attachment_id: str) -> str:
        path = f"/attachments/{cipher_id}/{attachment_id}"
        return f"{self.gate.world.url}{path}?token={self.gate.tokens.sign_path(path)}"

    async def announce(self, account: StoredAccount, request: Request) -> Response:
        """A new attachment, still without its file."""
        cipher, asked = find_cipher(account, request), await request.json()
        if cipher is None:
            return not_found(account)
        attachment_id = make_id().replace("-", "")
        size = int(asked["fileSize"])
        attachment = attachment_json(attachment_id, asked["fileName"], asked.get("key"), size)
        cipher["attachments"] = [*(cipher["attachments"] or []), attachment]
        note_change(account, cipher)
        upload = f"{self.gate.world.url}/api/ciphers/{cipher['id']}/attachment/{attachment_id}"
        answer: Json = {
            "attachmentId": attachment_id,
            "url": upload,
            "fileUploadType": DIRECT_UPLOAD,
            "cipherResponse": cipher_reply(account, cipher),
            "cipherMiniResponse": None,
            "object": "attachment-fileUpload",
        }
        return reply(account, answer)

    async def upload(self, account: StoredAccount, request: Request) -> Response:
        """The encrypted file, as the multipart field "data"."""
        cipher = find_cipher(account, request)
        attachment = None if cipher is None else _find(cipher, request)
        if cipher is None or attachment is None:
            return not_found(account)
        async with request.form() as form:
            data = form["data"]
            account.files[attachment["id"]] = await data.read() if isinstance(data, UploadFile) else b""
        note_change(account, cipher)
        return Response(status_code=200)

    async def address(self, account: StoredAccount, request: Request) -> Response:
        """The attachment with the address of its file."""
        cipher = find_cipher(account, request)
        attachment = None if cipher is None else _find(cipher, request)
        if cipher is None or attachment is None:
            return not_found(account)
        return reply(account, {**attachment, "url": self._url(cipher["id"], attachment["id"])})

    async def delete(self, account: StoredAccount, request: Request) -> Response:
        """Forget an attachment and its file."""
        cipher = find_cipher(account, request)
        attachment = None if cipher is None else _find(cipher, request)
        if cipher is None or attachment is None:
            return not_found(account)
        cipher["attachments"] = [a for a in cipher["attachments"] if a is not attachment] or None
        account.files.pop(attachment["id"], None)
        note_change(account, cipher)
        return reply(account, {"cipher": cipher_reply(account, cipher), "object": "deleteAttachment"})

    async def download(self, request: Request) -> Response:
        """The encrypted file; an access token must not come here, as storage services refuse it."""
        path = "/attachments/{id}/{attachment_id}".format(**request.path_params)
        found = self.gate.world.find_file(request.path_params["attachment_id"])
        given = request.query_params.get("token", "").encode()
        if not hmac.compare_digest(given, self.gate.tokens.sign_path(path).encode()) or found is None:
            return Response(status_code=404)
        if "authorization" in request.headers:
            return Response("an access token was sent to the file store", 400)
        return Response(found[1], media_type="application/octet-stream")

    async def collect_events(self, _account: StoredAccount, _request: Request) -> Response:
        """What was looked at, told by `bw` for items of organizations; forgotten at once."""
        return Response(status_code=200)

    async def key_connector_key(self, account: StoredAccount, _request: Request) -> Response:
        """The Key Connector's 32 bytes for the account, base64."""
        if account.key_connector_key is None:
            return Response(status_code=404)
        return JSONResponse({"key": base64.b64encode(account.key_connector_key).decode("ascii")})


def _find(cipher: Json, request: Request) -> Json | None:
    wanted = request.path_params["attachment_id"]
    attachments: list[Json] = cipher["attachments"] or []
    return next((a for a in attachments if a["id"] == wanted), None)
