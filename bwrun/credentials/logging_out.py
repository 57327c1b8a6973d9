"""`bwrun --logout`: remove what `bwrun --login` keeps."""

from __future__ import annotations

from bwrun.base.console import printable
from bwrun.base.deadline import Deadline
from bwrun.base.errors import CredentialError
from bwrun.credentials.kept_file import read_kept_file, remove_unfinished, write_kept_file
from bwrun.credentials.system_keyring import open_keyring
from bwrun.settings.profile_name import DEFAULT_PROFILE
from bwrun.system.calls import hide_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT = 60.0  # seconds to wait for a keyring


def log_out(profile: str, environment: Mapping[str, str]) -> str:
    """
    Remove what is kept for a profile, in the keyring and in the file, and return in words what was removed.

    The keyring comes first: if it fails, the file still says that there is something in it.

    Raises CredentialError: the keyring that holds something fails, or the file cannot be used.
    """
    hide_memory()  # the entries of other profiles may have secrets
    unfinished = remove_unfinished(environment)
    file = read_kept_file(environment)
    entry = file.entries.get(profile)
    was_in_keyring = _remove_from_keyring(profile, is_sure=entry is not None and bool(entry.in_keyring))
    if entry is not None:
        write_kept_file(environment, {profile: None})
    of_profile = "" if profile == DEFAULT_PROFILE else f" for the profile `{profile}`"
    if entry is None and not was_in_keyring:
        return _lines(unfinished, f"no credentials are kept{of_profile}", file.entries)
    places = (["the keyring"] if was_in_keyring else []) + ([f"`{file.path}`"] if entry is not None else [])
    whose = "" if entry is None else f" of {entry.account or entry.client_id} at {entry.server.name}"
    left = {name: one for name, one in file.entries.items() if name != profile}
    return _lines(unfinished, f"removed the credentials{whose}{of_profile} from {' and '.join(places)}", left)


def _remove_from_keyring(profile: str, *, is_sure: bool) -> bool:
    """
    Remove what the keyring holds for a profile; return whether there was any.

    It is looked at even if the file says nothing of it (not `is_sure`), because somebody may have removed the file.
    """
    try:
        return open_keyring(Deadline(TIMEOUT)).remove(profile)
    except CredentialError:
        if is_sure:
            raise
        return False


def _lines(unfinished: str, text: str, left: Mapping[str, object]) -> str:
    others = ", ".join(f"`{name}`" for name in sorted(left))
    more = f"bwrun: still kept: those of {others}; `--profile NAME` names one\n" if others else ""
    return "".join(printable(f"bwrun: {line}") + "\n" for line in (unfinished, text) if line) + more
