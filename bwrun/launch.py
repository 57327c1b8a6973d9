"""
The launcher: the process that the caller starts. It forks the worker and becomes the supervisor.

Becoming the supervisor is an execve with an environment without credentials. So nothing secret stays in its memory, not
even what is read here to find out whether the session of an outer bwrun can be reused.
"""

from __future__ import annotations

import os
import sys

from bwrun.base import signals
from bwrun.base.console import Console
from bwrun.base.errors import STATUS_FAILED, BwrunError, ConfigError, SessionError
from bwrun.settings import command_line
from bwrun.settings.option_names import COMPLETION, LOGOUT
from bwrun.system.common import python_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# The caller's variables that the supervisor gets: the places for the session's directory, and what the executable of
# Python may need to start.
SUPERVISOR_VARIABLES = ("BWRUN_RUNTIME_DIR", "XDG_RUNTIME_DIR", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class CallerState:
    """What this process inherited from the caller and changes, so that it must be restored for the command."""

    def __init__(self, mask: set[int], *, ignores_child: bool) -> None:
        """`mask` has the signals that the caller blocks; `ignores_child` says whether it ignores SIGCHLD."""
        self.supervisor = os.getpid()  # this process, which becomes the supervisor
        self.mask = mask
        self.ignores_child = ignores_child


def launch(arguments: list[str], started: float) -> int:
    """
    Start the run that the command line asks for; return the exit status if no command is run.

    `started` is when bwrun began, in seconds of `time.monotonic()`.
    """
    console = Console(verbose=False, started=started)
    try:
        options = command_line.parse(arguments)
    except BwrunError as error:
        console.print_error(error)
        return error.status
    if options.text_to_print is not None:
        return _print(options.text_to_print, console)
    if options.clean:
        return _clean(console)
    if options.mode == LOGOUT:
        return _log_out(options, console)
    if options.mode == COMPLETION:
        return _print_completion(options.shell, console)
    return start(options, console)


def start(options: command_line.Options, console: Console) -> int:
    """
    Start the run that `options` ask for; return the exit status if that fails. What is told goes to `console`.

    This process becomes the supervisor or, where there is nothing to supervise, the command.
    """
    if os.environ.get("BITWARDENCLI_APPDATA_DIR") and os.environ.get("BW_SESSION"):
        status = _try_nested(options, console)
        if status is not None:
            return status
    try:
        return _fork_worker(options, console)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        hint = "raise the limits on processes and open files: `ulimit -u`, `ulimit -n`"
        console.print_error(SessionError("no-process", f"cannot start bwrun's processes: {why}", hint))
        return STATUS_FAILED


def _try_nested(options: command_line.Options, console: Console) -> int | None:
    """Become the command if it can use the session of an outer bwrun; return None if not, a status if that failed."""
    from bwrun.planning.in_place import run_in_place  # noqa: PLC0415  (few runs are nested)

    try:
        run_in_place(options, console)
    except BwrunError as error:
        console.print_error(error)
        return error.status
    return None


def _print(text: str, console: Console) -> int:
    """Print on stdout; return the exit status."""
    from bwrun.base.output import write_out  # noqa: PLC0415  (few calls print something)

    try:
        return write_out(text)
    except BwrunError as error:
        console.print_error(error)
        return error.status


def _print_completion(shell: str, console: Console) -> int:
    """Do `--completion`; return the exit status."""
    from bwrun.completion.scripts import script_for  # noqa: PLC0415  (only for --completion)

    try:
        text = script_for(shell)
    except BwrunError as error:
        console.print_error(error)
        return error.status
    return _print(text, console)


def _clean(console: Console) -> int:
    """Do `--clean`; return the exit status."""
    from bwrun.cache.cleaning import remove_caches  # noqa: PLC0415  (only for --clean)
    from bwrun.cache.waits import remove_waits  # noqa: PLC0415
    from bwrun.supervisor import bases, sweeping  # noqa: PLC0415

    waits = remove_waits(os.environ)
    caches = remove_caches(os.environ)
    try:
        places, _ = bases.find_bases(os.environ)
        count = sum(map(sweeping.sweep, places))
    except bases.UnusableBaseError as error:
        console.print_error(ConfigError("runtime-dir", str(error)))
        return STATUS_FAILED
    text = f"bwrun: removed {count} session(s) that killed runs left behind\n"
    if caches:
        text += f"bwrun: removed {caches} cached vault(s)\n"
    if waits:
        text += f"bwrun: removed {waits} record(s) of how long servers asked to wait\n"
    return _print(text, console)


def _log_out(options: command_line.Options, console: Console) -> int:
    """Do `--logout`; return the exit status."""
    from bwrun.credentials.logging_out import log_out  # noqa: PLC0415  (only for --logout)
    from bwrun.settings.profile_name import profile_name  # noqa: PLC0415

    try:
        text = log_out(profile_name(options, os.environ), os.environ)
    except BwrunError as error:
        console.print_error(error)
        return error.status
    return _print(text, console)


def _fork_worker(options: command_line.Options, console: Console) -> NoReturn:
    """Fork the worker and become the supervisor."""
    plug_standard_descriptors()
    mask = signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
    caller = CallerState(mask, ignores_child=signals.getsignal(signals.SIGCHLD) == signals.SIG_IGN)
    signals.signal(
        signals.SIGCHLD, signals.SIG_DFL
    )  # or the kernel would reap the command, and its status would be lost

    supervisor_end, worker_end = _socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(supervisor_end)
            from bwrun import worker  # noqa: PLC0415  (in the worker's process only)

            worker.main(options, console, worker_end, caller)
        except BaseException as error:  # noqa: BLE001  (e.g. a failed import: this process must not return)
            console.print_internal_error(error)
        finally:
            os._exit(STATUS_FAILED)
    os.close(worker_end)
    _become_supervisor(pid, supervisor_end)


def plug_standard_descriptors() -> None:
    """
    Open /dev/null for each of the descriptors 0 to 2 that is closed, so that no file of bwrun gets its number.

    The new descriptors close on exec: the command finds them closed, as the caller left them.
    """
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return


def _socketpair() -> tuple[int, int]:
    from _socket import socketpair  # noqa: PLC0415  (the module `socket` takes 10 ms to import)

    ours, theirs = socketpair()
    return ours.detach(), theirs.detach()


def _become_supervisor(worker: int, channel: int) -> NoReturn:
    """Replace this process by the supervisor of process `worker`; `channel` is a descriptor."""
    main = os.path.join(os.path.dirname(os.path.abspath(__file__)), "supervisor", "__main__.py")
    os.set_inheritable(channel, True)
    environment = {name: os.environ[name] for name in SUPERVISOR_VARIABLES if name in os.environ}
    try:
        options = python_options(with_packages=False)
        os.execve(sys.executable, [sys.executable, *options, main, str(channel), str(worker)], environment)
    except OSError as error:
        os.kill(worker, signals.SIGKILL)
        os.waitpid(worker, 0)
        os.write(2, f"bwrun: error: cannot start the supervisor: {error.strerror} [internal]\n".encode())
        os._exit(STATUS_FAILED)
