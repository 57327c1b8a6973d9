"""
The entry point: it resets SIGINT, cleans Python's search path, and calls the launcher.

The three steps of a run are this module, `bwrun.launch` and `bwrun.worker`.
"""

import _signal  # type: ignore[import-not-found]  # earlier and faster than the module `signal`

# Ctrl-C must end bwrun from the first moment on. Python's handler raises an exception, which an import may catch.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import gc
import os
import sys
import time

gc.disable()  # the process is short: searching for reference cycles takes longer than it frees memory

STARTED = time.monotonic()  # seconds
NOT_ON_WINDOWS = (
    "bwrun: error: bwrun needs Linux, macOS or another POSIX system, and this is Windows [config.windows]\n"
    "bwrun: hint: run it in the Windows Subsystem for Linux (WSL)\n"
)


def isolate() -> None:
    """
    Remove from the search path what PYTHONPATH and `-m` added: that is meant for the command, not for bwrun.

    The directories of bwrun itself and of the standard library stay.
    """
    root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    own = {root, os.path.dirname(os.path.realpath(os.__file__))}  # of bwrun and of the standard library
    foreign = {_full(path) for path in (*os.environ.get("PYTHONPATH", "").split(os.pathsep), "")}
    sys.path[:] = [path for path in sys.path if _full(path) in own or _full(path) not in foreign]


def _full(path: str) -> str:
    try:
        return os.path.realpath(path or ".")
    except OSError:
        return path  # the working directory does not exist any more


def main() -> int:
    """Run bwrun; return the exit status if this process has not become the supervisor or the command."""
    if sys.platform == "win32":
        sys.stderr.write(NOT_ON_WINDOWS)
        return 125
    isolate()
    from bwrun.launch import launch  # noqa: PLC0415  (with the clean search path)

    return launch(sys.argv[1:], STARTED)


if __name__ == "__main__":
    sys.exit(main())
