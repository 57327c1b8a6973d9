"""
The first process: fork the worker, become the supervisor.

Before the fork nothing secret is read (but where there is an outer session to
compare with); the supervisor's execve gives it a fresh address space and an
environment without credentials in any case.
"""

from __future__ import annotations

import os
import sys

from bwrun.base import signals
from bwrun.base.console import Console
from bwrun.base.errors import STATUS_FAILED, BwrunError, ConfigError, SessionError
from bwrun.settings import command_line

TYPE_CHECKING = False  # `typing` costs 20 ms at the start of each process
if TYPE_CHECKING:
    from typing import NoReturn

# What the supervisor may know of the caller's environment: where sessions live, and what Python's own
# executable may need to start.
SUPERVISOR_VARIABLES = ("BWRUN_RUNTIME_DIR", "XDG_RUNTIME_DIR", "TMPDIR", "LD_LIBRARY_PATH")


class Inherited:
    """What the caller gave this process and the command must get back, although bwrun changed it."""

    def __init__(self, mask: set[int], *, ignores_child: bool) -> None:
        """`mask`: the signals the caller blocks; `ignores_child`: whether it ignores SIGCHLD."""
        self.supervisor = os.getpid()
        self.mask = mask
        self.ignores_child = ignores_child


def launch(words: list[str], started: float) -> int:
    """Read the command line and start; return the exit status where there is no command to run."""
    console = Console(verbose=False, started=started)
    try:
        options = command_line.parse(words)
    except BwrunError as error:
        console.print_error(error)
        return error.status
    if options.show is not None:
        return _show(options.show)
    if options.clean:
        return _clean(console)
    if os.environ.get("BITWARDENCLI_APPDATA_DIR") and os.environ.get("BW_SESSION"):
        status = _try_nested(options, console)
        if status is not None:
            return status
    try:
        return _split(options, console)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        hint = "raise the limits on processes and open files: `ulimit -u`, `ulimit -n`"
        console.print_error(SessionError("no-process", f"cannot start bwrun's processes: {why}", hint))
        return STATUS_FAILED


def _try_nested(options: command_line.Options, console: Console) -> int | None:
    """Become the command under an outer session; return a status if that failed, None if there is no such session."""
    from bwrun.session.nested import run_in_place  # noqa: PLC0415  (only where there may be an outer session)

    try:
        run_in_place(options, console)
    except BwrunError as error:
        console.print_error(error)
        return error.status
    return None


def _show(text: str) -> int:
    try:
        os.write(1, text.encode())
    except OSError:
        return STATUS_FAILED  # nobody reads it
    return 0


def _clean(console: Console) -> int:
    from bwrun.supervisor import directory  # noqa: PLC0415  (only here)

    try:
        count = sum(directory.sweep(base) for base in directory.bases(os.environ))
    except directory.UnusableBaseError as error:
        console.print_error(ConfigError("runtime-dir", str(error)))
        return STATUS_FAILED
    return _show(f"bwrun: removed {count} session(s) that killed runs left behind\n")


def _split(options: command_line.Options, console: Console) -> int:
    plug_standard_descriptors()
    mask = signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
    inherited = Inherited(mask, ignores_child=signals.getsignal(signals.SIGCHLD) == signals.SIG_IGN)
    signals.signal(signals.SIGCHLD, signals.SIG_DFL)  # else the kernel reaps the command and its status is lost

    supervisor_end, worker_end = _socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(supervisor_end)
            from bwrun import worker  # noqa: PLC0415  (the supervisor must never import it)

            worker.main(options, console, worker_end, inherited)
        except BaseException as error:  # noqa: BLE001  (an import that fails: this process must not go on as the caller's)
            console.print_internal_error(error)
        finally:
            os._exit(STATUS_FAILED)
    os.close(worker_end)
    _become_supervisor(pid, supervisor_end)


def plug_standard_descriptors() -> None:
    """
    Open /dev/null in the place of closed descriptors 0-2, so that nothing of bwrun's lands there.

    They close on exec: the command finds them as closed as the caller left them.
    """
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return


def _socketpair() -> tuple[int, int]:
    from _socket import socketpair  # noqa: PLC0415  (`socket` itself costs 10 ms in front of everything)

    ours, theirs = socketpair()
    return ours.detach(), theirs.detach()


def _become_supervisor(worker: int, channel: int) -> NoReturn:
    main = os.path.join(os.path.dirname(os.path.abspath(__file__)), "supervisor", "__main__.py")
    os.set_inheritable(channel, True)
    environment = {name: os.environ[name] for name in SUPERVISOR_VARIABLES if name in os.environ}
    try:
        os.execve(sys.executable, [sys.executable, "-I", "-S", main, str(channel), str(worker)], environment)
    except OSError as error:
        os.kill(worker, signals.SIGKILL)
        os.waitpid(worker, 0)
        os.write(2, f"bwrun: error: cannot start the supervisor: {error.strerror} [internal]\n".encode())
        os._exit(STATUS_FAILED)
