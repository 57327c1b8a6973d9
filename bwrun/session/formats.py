"""
The format in which sessions are stored. It is chosen here and nowhere else.

The official CLI that is written in JavaScript keeps its state in data.json.
Bitwarden is writing another one in Rust, with the same variables (BW_SESSION,
BITWARDENCLI_APPDATA_DIR) and another format: an SQLite database, and session
keys for XAES-256-GCM (bitwarden/sdk-internal:crates/bw).

To support it, write a second `SessionFormat`, and replace the constant
`FORMAT` by a function that chooses one of the two.
"""

from __future__ import annotations

from collections.abc import Callable

from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.session.contents import EncodedSession, SessionData
from bwrun.session.data_json import encode_session
from bwrun.session.rewriting import replace_access_token


class SessionFormat(Struct):
    """
    What bwrun has to know of a format.

    `encode` makes a new session key and returns the session encrypted with it.
    It writes nothing: the caller writes the files, with mode 0600.  It raises
    ServerError if the server's replies lack something that the session needs.

    `replace_access_token` puts a new token into the session in the given
    directory, while the CLI may be reading and writing there.  It raises
    SessionError if the session is gone or logged out.
    """

    encode: Callable[[SessionData], EncodedSession]
    replace_access_token: Callable[[str, Sensitive], None]


FORMAT = SessionFormat(encode=encode_session, replace_access_token=replace_access_token)
