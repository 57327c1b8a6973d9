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

from bwrun.base.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bwrun.base.sensitive import Sensitive
    from bwrun.session.contents import EncodedSession, HeldVault, SessionData


class SessionFormat(Struct):
    """
    What bwrun has to know of a format.

    `encode_vault` returns the part of a session that depends on the vault and the
    account alone: a later session of the same account can use it again, as long as
    the vault is the same.  It raises ServerError as `encode` does.

    `encode` makes a new session key and returns the session encrypted with it.
    It writes nothing: the caller writes the files, with mode 0600.  It raises
    ServerError if the server's replies lack something that the session needs.

    `prepare` imports what `encode` needs, which takes time.

    `read` returns what the session in the given directory holds; the second
    argument is the value of BW_SESSION.  It raises SessionError if the session
    is logged out, locked or damaged.

    `replace_access_token` puts a new token into the session in the given
    directory, while the CLI may be reading and writing there.  It raises
    SessionError if the session is gone or logged out.
    """

    encode_vault: Callable[[SessionData], bytes]
    encode: Callable[[SessionData], EncodedSession]
    prepare: Callable[[], None]
    read: Callable[[str, str], HeldVault]
    replace_access_token: Callable[[str, Sensitive], None]


# Each function imports its own module: a run needs one of them, and a nested run must start fast.


def _prepare() -> None:
    import bwrun.session.data_json  # noqa: F401, PLC0415


def _encode_vault(data: SessionData) -> bytes:
    from bwrun.session.data_json import encode_vault  # noqa: PLC0415

    return encode_vault(data)


def _encode(data: SessionData) -> EncodedSession:
    from bwrun.session.data_json import encode_session  # noqa: PLC0415

    return encode_session(data)


def _read(directory: str, bw_session: str) -> HeldVault:
    from bwrun.session.reading import read_session  # noqa: PLC0415

    return read_session(directory, bw_session)


def _replace_access_token(directory: str, token: Sensitive) -> None:
    from bwrun.session.rewriting import replace_access_token  # noqa: PLC0415

    replace_access_token(directory, token)


FORMAT = SessionFormat(
    encode_vault=_encode_vault,
    encode=_encode,
    prepare=_prepare,
    read=_read,
    replace_access_token=_replace_access_token,
)
