"""Opening a session: its key, its files, its variables. The directory is the supervisor's, who also clears it."""

from __future__ import annotations

import base64
import os

from bwrun.base.errors import SessionError
from bwrun.crypto.encstring import SymmetricKey
from bwrun.crypto.primitives import random_bytes
from bwrun.session.data_file import SessionData, write_data
from bwrun.session.files import write_private
from bwrun.session.outer import MARK_FILE, Mark, fingerprint

DATA_FILE = "data.json"
CA_FILE = "ca.pem"


def open_session(
    directory: str, data: SessionData, client_id: str, ca_files: tuple[str, ...], *, renews: bool = False
) -> dict[str, str]:
    """
    Write the session's files (0600) and return its variables.

    Raises SessionError: the directory cannot be written.
    """
    session_key = SymmetricKey.from_bytes(random_bytes(SymmetricKey.SIZE))
    bw_session = base64.b64encode(session_key.to_bytes()).decode("ascii")
    mark = Mark(
        fingerprint(bw_session),
        client_id,
        data.server.identity,
        data.server.api,
        has_api_key=data.api_key is not None,
        renews=renews,
    )
    write_private(directory, DATA_FILE, [write_data(data, session_key)])
    write_private(directory, MARK_FILE, [mark.to_bytes()])
    variables = {"BW_SESSION": bw_session, "BITWARDENCLI_APPDATA_DIR": directory}
    if ca_files:
        variables["NODE_EXTRA_CA_CERTS"] = _one_ca_file(directory, ca_files)
    return variables


def try_session(data: SessionData) -> dict[str, str]:
    """
    Do what can be done of opening a session without writing anything; return variables as large as its own.

    Raises ServerError: the server's replies lack what a session needs.
    """
    key = SymmetricKey.from_bytes(random_bytes(SymmetricKey.SIZE))
    write_data(data, key)
    return {"BW_SESSION": base64.b64encode(key.to_bytes()).decode("ascii"), "BITWARDENCLI_APPDATA_DIR": ""}


def _one_ca_file(directory: str, ca_files: tuple[str, ...]) -> str:
    """Return one file with all the certificates: Node reads one, not a list."""
    if len(ca_files) == 1:
        return ca_files[0]
    parts = []
    for path in ca_files:
        try:
            with open(path, "rb") as file:
                parts.append(file.read())
        except OSError as error:
            raise SessionError(
                "ca-file", f"cannot read the CA file `{path}`: {os.strerror(error.errno or 0)}"
            ) from None
    write_private(directory, CA_FILE, [b"\n".join(parts)])
    return os.path.join(directory, CA_FILE)
