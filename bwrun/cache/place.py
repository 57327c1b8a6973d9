"""
The directory in which runs leave files for later runs: this user's alone, and in RAM unless the user chose another.

It is `bwrun` in XDG_RUNTIME_DIR, else `bwrun-UID` in /dev/shm. Somebody else can make the latter first, or put a link
there. So what lies there counts only if it is a directory, belongs to this user, and is closed to all others. All files
in it are opened relative to its descriptor, so nobody can exchange it afterwards.
"""

from __future__ import annotations

import os
import stat

from bwrun.base.structs import Struct
from bwrun.system.common import IS_LINUX
from bwrun.system.places import SHARED_MEMORY, is_in_ram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "bwrun"
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Place(Struct):
    """A directory of this user, open; who has it closes it."""

    descriptor: int
    path: str  # for messages only
    in_ram: bool

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)


def find_place(
    environment: Mapping[str, str], chosen: str | None = None, *, create: bool, problems: list[str] | None = None
) -> Place | None:
    """
    Open the directory; None if there is none, or none that can be used.

    `chosen` is a directory that the user named; it may be on any file system and is then the only one. With `create`,
    a directory that does not exist is made. `problems` gets a line for each place that cannot be used, for a warning; a
    directory that does not exist is no problem without `create`.

    When there is no directory yet, looking for one costs two system calls.
    """
    found: list[str] = [] if problems is None else problems
    if chosen:
        return _open_chosen(chosen, found, create=create)
    runtime = environment.get("XDG_RUNTIME_DIR")
    if runtime:
        place = _open_in_runtime(runtime, found, create=create)
        if place is not None:
            return place
    if not IS_LINUX:
        found.append("this system has no file system in RAM that bwrun knows")
        return None
    return _open_in(SHARED_MEMORY, f"{NAME}-{os.geteuid()}", f"`{SHARED_MEMORY}`", found, create=create)


def all_places(environment: Mapping[str, str], chosen: str | None = None) -> list[Place]:
    """Open all directories that runs may have left files in: with XDG_RUNTIME_DIR or without, and the `chosen` one."""
    found = [find_place({}, create=False)]
    if environment.get("XDG_RUNTIME_DIR"):
        found.append(_open_in_runtime(environment["XDG_RUNTIME_DIR"], [], create=False))
    if chosen:
        found.append(_open_chosen(chosen, [], create=False))
    return [place for place in found if place is not None]


def _open_in_runtime(runtime: str, problems: list[str], *, create: bool) -> Place | None:
    return _open_in(runtime, NAME, f"`{runtime}` (from XDG_RUNTIME_DIR)", problems, create=create)


def _open_chosen(path: str, problems: list[str], *, create: bool) -> Place | None:
    """Open the directory that the user named. Others may read what is in it, but must not be able to write there."""
    if not os.path.isabs(path):
        problems.append(f"`{path}` is not an absolute path")
        return None
    path = path.rstrip("/") or "/"  # with a slash at its end, a link would be followed
    return _open(path, problems, forbidden=0o022, create=create, must_be_in_ram=False)


def _open_in(base: str, name: str, shown: str, problems: list[str], *, create: bool) -> Place | None:
    """Open the directory `name` in `base`, which must be in RAM; `shown` is what messages call the base."""
    path = os.path.join(base, name)
    try:
        os.lstat(path)
    except OSError:
        if not create:
            return None
    from bwrun.supervisor.bases import why_unusable  # noqa: PLC0415  (most runs find no directory and make none)

    problem = why_unusable(base)
    if problem is None and not is_in_ram(_device_of(base)):
        problem = "is not in RAM"
    if problem is not None:
        problems.append(f"{shown} {problem}")
        return None
    return _open(path, problems, forbidden=0o077, create=create, must_be_in_ram=True)


def _open(path: str, problems: list[str], *, forbidden: int, create: bool, must_be_in_ram: bool) -> Place | None:
    """Open `path`, and with `create` make it if need be; its mode must have none of the bits `forbidden`."""
    try:
        descriptor = _make_and_open(path) if create else os.open(path, _OPEN)
    except FileNotFoundError as error:
        if create:
            problems.append(f"`{path}` cannot be made: {os.strerror(error.errno or 0)}")
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte
        problems.append(f"`{path}` {_why_not_open(path, error)}")
        return None
    status = os.fstat(descriptor)
    in_ram = is_in_ram(status.st_dev)
    problem = None
    if status.st_uid != os.geteuid():
        problem = f"belongs to user {status.st_uid}, not to you"
    elif status.st_mode & forbidden:
        problem = f"is open to other users (mode {stat.S_IMODE(status.st_mode):04o})"
    elif must_be_in_ram and not in_ram:
        problem = "is not in RAM"
    if problem is None:
        return Place(descriptor, path, in_ram)
    os.close(descriptor)
    problems.append(f"`{path}` {problem}")
    return None


def _make_and_open(path: str) -> int:
    """Open the directory `path`, which is made if it does not exist. Raises OSError, ValueError."""
    try:
        return os.open(path, _OPEN)
    except FileNotFoundError:
        pass
    try:
        os.mkdir(path, 0o700)  # a umask can take bits away from that, but add none
    except FileExistsError:
        pass  # another run made it just now, or it is a link that leads nowhere
    return os.open(path, _OPEN)


def _why_not_open(path: str, error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "is not a valid path"
    if os.path.islink(path):
        return "is a link"
    return f"cannot be used: {os.strerror(error.errno or 0)}"


def _device_of(path: str) -> int:
    """Return the device number of the file system at `path`; 0, which is none, if the path has just vanished."""
    try:
        return os.stat(path).st_dev
    except OSError:
        return 0
