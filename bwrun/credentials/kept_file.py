"""
The file `credentials` of `bwrun --login`, in the user's folder for settings. It is read and replaced as a whole.

The file belongs to this user and has the mode 0600, its folder 0700. A file that somebody else can have written, or a
link, is refused. One that others can read gives a warning, as a `.env` does.
"""

from __future__ import annotations

import errno
import os
import stat

from bwrun.base.errors import CredentialError
from bwrun.base.structs import Struct
from bwrun.base.writing import write_all
from bwrun.credentials.doubts import exposed
from bwrun.credentials.kept_entry import KeptEntry, read_entries, write_entries
from bwrun.settings.found_config import config_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bwrun.base.console import WarningMessage

NAME, NEW = "credentials", "credentials.new"
MAX_SIZE = 1024 * 1024  # bytes: many profiles
MANY_LINKS = (errno.ELOOP, errno.EMLINK)  # O_NOFOLLOW met a link: Linux and macOS, FreeBSD


class KeptFile(Struct):
    """What the file has: an entry for each profile."""

    path: str
    entries: dict[str, KeptEntry]
    warnings: tuple[WarningMessage, ...] = ()


def read_kept_file(environment: Mapping[str, str]) -> KeptFile:
    """
    Return what is kept; no entries if there is no file.

    Raises CredentialError: the file cannot be read, is damaged, or is not to be trusted.
    """
    folder = config_directory(environment)
    if folder is None:
        return KeptFile(NAME, {})
    path = os.path.join(folder, NAME)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return KeptFile(path, {})
    except OSError as error:
        if error.errno in MANY_LINKS:
            raise _refused(path, "is a link", f"replace it by the file itself, or remove it: `rm {path}`") from None
        if error.errno == errno.EACCES and not os.path.lexists(path):
            return KeptFile(path, {})  # the directory is closed to this user, as home directories are to some services
        raise CredentialError("kept-file", f"cannot read `{path}`: {os.strerror(error.errno or 0)}") from None
    try:
        status = os.fstat(descriptor)
        _check(path, status)
        data = os.read(descriptor, MAX_SIZE)
    except OSError as error:
        raise CredentialError("kept-file", f"cannot read `{path}`: {os.strerror(error.errno or 0)}") from None
    finally:
        os.close(descriptor)
    try:
        entries = read_entries(data)
    except ValueError:
        hint = f"remove it, and run `bwrun --login` again: `rm {path}`"
        raise CredentialError("kept-file", f"`{path}`, which `bwrun --login` writes, is damaged", hint) from None
    has_secrets = any(entry.secrets for entry in entries.values())
    return KeptFile(path, entries, exposed(path, status) if has_secrets else ())


def write_kept_file(environment: Mapping[str, str], changes: Mapping[str, KeptEntry | None]) -> str:
    """
    Replace the entries of some profiles, and remove those that become None; return the path of the file.

    The file is replaced as a whole, so that nobody reads half of it. The last entry takes the file with it.

    Raises CredentialError: the file cannot be read, or not be written.
    """
    folder = config_directory(environment)
    if folder is None:
        hint = "set HOME or XDG_CONFIG_HOME"
        raise CredentialError("kept-file", "there is no home directory to keep credentials in", hint)
    path = os.path.join(folder, NAME)
    try:
        os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o700)
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        _lock(place)
        _remove(place, NEW)  # a process that was killed may have left it, and it may hold secrets
        entries = {**read_kept_file(environment).entries, **changes}
        left = {name: entry for name, entry in entries.items() if entry is not None}
        if left:
            _replace(place, write_entries(left))
        else:
            _remove(place, NAME)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        os.close(place)
    return path


def remove_unfinished(environment: Mapping[str, str]) -> str:
    """
    Remove what a killed process left of a file that it wrote, which may have secrets; return a text that says so.

    The text is empty if there was nothing.

    Raises CredentialError: it cannot be removed.
    """
    folder = config_directory(environment)
    path = None if folder is None else os.path.join(folder, NEW)
    if folder is None or path is None or not os.path.lexists(path):
        return ""
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _lock(place)  # a process that writes it now finishes it first
            was_there = _remove(place, NEW)
        finally:
            os.close(place)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise CredentialError("kept-file", f"cannot remove `{path}`: {why}", "it may hold secrets: remove it") from None
    return f"removed `{path}`, which a `bwrun --login` that was killed had left behind" if was_there else ""


def _check(path: str, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        raise _refused(path, "is not a regular file", "remove it")
    if status.st_uid != os.geteuid():
        raise _refused(
            path, f"belongs to another user (user id {status.st_uid})", "take it over, or set HOME or XDG_CONFIG_HOME"
        )
    if mode & 0o022:
        raise _refused(path, f"can be written to by other users (mode {mode:04o})", f"run `chmod 600 {path}`")


def _refused(path: str, why: str, hint: str) -> CredentialError:
    return CredentialError("kept-file", f"`{path}`, which `bwrun --login` writes, {why}", hint)


def _unwritable(path: str, error: OSError) -> CredentialError:
    return CredentialError("kept-file", f"cannot write `{path}`: {os.strerror(error.errno or 0)}")


def _lock(place: int) -> None:
    """Wait until no other process changes the file. Closing the descriptor releases the lock."""
    import fcntl  # noqa: PLC0415  (runs only read the file)

    fcntl.flock(place, fcntl.LOCK_EX)


def _replace(place: int, data: bytes) -> None:
    """Write the file under another name in the folder `place`, and give it its own name. Raises OSError."""
    descriptor = os.open(NEW, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=place)
    try:
        os.fchmod(descriptor, 0o600)
        write_all(descriptor, (data,))
        os.fsync(descriptor)
        os.rename(NEW, NAME, src_dir_fd=place, dst_dir_fd=place)
    except OSError:
        _remove(place, NEW)
        raise
    finally:
        os.close(descriptor)


def _remove(place: int, name: str) -> bool:
    """Remove a file in the folder `place`; return whether there was one. Raises OSError."""
    try:
        os.unlink(name, dir_fd=place)
    except FileNotFoundError:
        return False
    return True
