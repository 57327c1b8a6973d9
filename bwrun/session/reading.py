"""
Reading data.json of a session that bwrun wrote, as far as references need it.

The official CLI in the session may have changed the file since: it adds and edits items, locks the session or logs out.
It does not write the file by a rename, so a reader can get the beginning of it alone, which is never valid JSON. It is
then read again.
"""

from __future__ import annotations

import binascii
import json
import os
import time

from bwrun.base.errors import CryptoError, SessionError
from bwrun.base.sensitive import Sensitive
from bwrun.crypto.account_keys import V1, AccountKeys, open_account_keys
from bwrun.crypto.encstring import SymmetricKey
from bwrun.crypto.parameters import WrappedAccountKeys
from bwrun.crypto.vault_key import AesKey, VaultKey
from bwrun.session.contents import HeldVault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

Record = dict[str, object]

DATA_FILE = "data.json"
PATIENCE = 2.0  # seconds for a file that is being written
PAUSE = 0.02  # seconds
AGAIN = "start the outer run again, or give this run credentials of its own, for example with `--env-file FILE`"
WRAPPED_KEYS = ("private_key", "signing_key", "signed_public_key", "security_state")


def read_session(directory: str, bw_session: str) -> HeldVault:
    """
    Return what the session in `directory` holds; `bw_session` is its key.

    Raises SessionError: the session is logged out, locked or damaged; CryptoError: the keys of its account are.
    """
    state = _read_state(os.path.join(directory, DATA_FILE))
    user_id = state.get("global_account_activeAccountId")
    if not isinstance(user_id, str) or not user_id:
        raise SessionError("outer-logged-out", "the session of the outer bwrun is logged out", AGAIN)
    wrapped = state.get(f"__PROTECTED__{user_id}_user_auto")
    if not isinstance(wrapped, str) or not wrapped:
        raise SessionError("outer-locked", "the session of the outer bwrun is locked", AGAIN)
    user_key = _open_user_key(wrapped, bw_session)
    start = f"user_{user_id}_"
    own = {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}
    organizations = _organizations(own)
    token = own.get("token_accessToken")
    return HeldVault(
        sync={
            "profile": {"id": user_id, "organizations": organizations},
            "ciphers": _values(own.get("ciphers_ciphers")),
            "folders": _values(own.get("folder_folders")),
            "collections": _values(own.get("collection_collections")),
        },
        keys=_account_keys(user_key, own, user_id, needs_all=bool(organizations)),
        access_token=Sensitive(token.encode()) if isinstance(token, str) and token.isascii() else None,
    )


def _read_state(path: str) -> Record:
    """Return the content of data.json; wait for a moment if it is being written."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError as error:
            raise _damaged(f"its {DATA_FILE} cannot be read ({os.strerror(error.errno or 0)})") from None
        try:
            state = json.loads(data)
        except RecursionError:
            state = None
        except ValueError:
            if time.monotonic() < end:
                time.sleep(PAUSE)
                continue
            state = None
        if isinstance(state, dict):
            return state
        raise _damaged(f"its {DATA_FILE} is not a JSON object")


def _open_user_key(wrapped: str, bw_session: str) -> VaultKey:
    """Decrypt the user key with BW_SESSION."""
    try:
        session_key = AesKey(SymmetricKey.from_bytes(binascii.a2b_base64(bw_session)))
        return session_key.unwrap_key_from_buffer(binascii.a2b_base64(wrapped))
    except (CryptoError, ValueError):
        raise SessionError(
            "outer-locked", "BW_SESSION does not open the session of the outer bwrun",
            f"it was unlocked with another key (`bw unlock`), or is damaged: {AGAIN}",
        ) from None  # fmt: skip


def _account_keys(user_key: VaultKey, own: Mapping[str, object], user_id: str, *, needs_all: bool) -> AccountKeys:
    """Return the account's keys. Only organizations need those beside the user key."""
    if not needs_all:
        return AccountKeys(user_key, lambda: None, V1)
    state = own.get("crypto_accountCryptographicState")
    found = next((part for part in _values(state) if isinstance(part, dict)), {})
    parts = {name: part for name in WRAPPED_KEYS if isinstance(part := found.get(name), str)}
    return open_account_keys(user_key, WrappedAccountKeys(**parts), user_id)


def _organizations(own: Mapping[str, object]) -> list[Record]:
    """Return the organizations, each with its wrapped key if the session holds that."""
    keys = own.get("crypto_organizationKeys")
    wrapped = keys if isinstance(keys, dict) else {}
    found = []
    for one in _values(own.get("organizations_organizations")):
        if isinstance(one, dict):
            entry = wrapped.get(one.get("id"))
            found.append({**one, "key": entry.get("key") if isinstance(entry, dict) else None})
    return found


def _values(value: object) -> list[object]:
    """Return the values of an object, none if it is something else."""
    return list(value.values()) if isinstance(value, dict) else []


def _damaged(why: str) -> SessionError:
    return SessionError("outer-damaged", f"the session of the outer bwrun is damaged: {why}", AGAIN)
