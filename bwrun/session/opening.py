"""Opening a session: writing its files, and making the variables that lead the official CLI to it."""

from __future__ import annotations

import os

from bwrun.base.errors import SessionError
from bwrun.session.contents import SessionData
from bwrun.session.files import write_private
from bwrun.session.formats import FORMAT
from bwrun.session.outer import MARK_FILE, Mark, fingerprint, limits_of

CA_FILE = "ca.pem"


def open_session(  # noqa: PLR0913  (the session, and what nested runs must know of it)
    directory: str,
    data: SessionData,
    client_id: str,
    ca_files: tuple[str, ...],
    *,
    renews: bool = False,
    only: tuple[str, ...] = (),
) -> dict[str, str]:
    """
    Write the session's files (mode 0600) into `directory` and return its variables.

    `only` are the selectors by which the session is limited.

    Raises SessionError: a file cannot be written; ServerError: the server's
    replies lack something that the session needs.
    """
    session = FORMAT.encode(data)
    mark = Mark(
        fingerprint(session.bw_session),
        client_id,
        data.server.identity,
        data.server.api,
        has_api_key=data.api_key is not None,
        renews=renews,
        limits=limits_of(only),
    )
    for name, content in session.files.items():
        write_private(directory, name, content)
    write_private(directory, MARK_FILE, [mark.to_bytes()])
    variables = {"BW_SESSION": session.bw_session, "BITWARDENCLI_APPDATA_DIR": directory}
    if ca_files:
        variables["NODE_EXTRA_CA_CERTS"] = _one_ca_file(directory, ca_files)
    return variables


def try_session(data: SessionData) -> dict[str, str]:
    """
    Encode the session without writing anything; return variables of the size that those of a session have.

    Raises ServerError: the server's replies lack something that the session needs.
    """
    return {"BW_SESSION": FORMAT.encode(data).bw_session, "BITWARDENCLI_APPDATA_DIR": ""}


def _one_ca_file(directory: str, ca_files: tuple[str, ...]) -> str:
    """Return the path of a file with all the certificates, because NODE_EXTRA_CA_CERTS names one file."""
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
