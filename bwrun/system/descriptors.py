"""Descriptors of this process: closing them, redirecting them, and receiving them over a socket."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket


def close_all_but(*keep: int) -> None:
    """Close every descriptor from 3 on that is not in `keep`, so that none keeps a pipe of the caller open."""
    try:
        if sys.platform not in ("linux", "darwin"):
            raise OSError  # noqa: TRY301  (elsewhere, the directory may list 0 to 2 alone: fdescfs(5) of FreeBSD)
        numbers = [int(name) for name in os.listdir("/dev/fd")]
    except (OSError, ValueError):
        lowest = 3
        for descriptor in sorted(keep):
            os.closerange(lowest, descriptor)
            lowest = descriptor + 1
        os.closerange(lowest, os.sysconf("SC_OPEN_MAX"))
        return
    for number in numbers:
        if number > 2 and number not in keep:
            try:
                os.close(number)
            except OSError:
                pass  # it was the descriptor of listdir()


def is_open(descriptor: int) -> bool:
    """Return whether a descriptor is open."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def redirect_to_null(*descriptors: int) -> None:
    """Redirect `descriptors` to /dev/null."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        if descriptor != null:
            os.dup2(null, descriptor, inheritable=False)
    if null > 2:
        os.close(null)


def receive(one: _socket.socket, size: int, most: int) -> tuple[bytes, list[int]]:
    """
    Receive up to `size` bytes over a socket, and up to `most` descriptors that come with them (unix(7), SCM_RIGHTS).

    The descriptors close on exec. Raises OSError.
    """
    from _socket import CMSG_SPACE  # noqa: PLC0415  (only for --mask)

    if sys.platform == "linux":
        from _socket import MSG_CMSG_CLOEXEC as CLOSE_ON_EXEC  # noqa: PLC0415
    else:
        CLOSE_ON_EXEC = 0  # noqa: N806
    data, rights, _, _ = one.recvmsg(size, CMSG_SPACE(4 * most), CLOSE_ON_EXEC)
    packed = b"".join(content[: len(content) // 4 * 4] for _, _, content in rights)
    found = [int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4)]
    for descriptor in found:
        os.set_inheritable(descriptor, False)
    return data, found
