"""The entry: signals to their defaults, a search path without the caller's PYTHONPATH, then the launcher."""

import _signal  # type: ignore[import-not-found]  # `signal` itself imports for 6 ms, too late for its purpose

# Python's own handler for SIGINT can be swallowed inside an import; nothing exists yet that needs clearing.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import gc
import os
import sys
import time

gc.disable()  # this process is short: looking for cycles in modules or in a large vault costs more than they hold

STARTED = time.monotonic()


def isolate() -> None:
    """
    Drop what PYTHONPATH and `-m` put on the search path: it is meant for the command, not for bwrun.

    The entry that bwrun itself was imported from stays.
    """
    root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    own = {root, os.path.dirname(os.path.realpath(os.__file__))}  # ours, and the standard library
    foreign = {_full(path) for path in (*os.environ.get("PYTHONPATH", "").split(os.pathsep), "")}
    sys.path[:] = [path for path in sys.path if _full(path) in own or _full(path) not in foreign]


def _full(path: str) -> str:
    try:
        return os.path.realpath(path or ".")
    except OSError:
        return path  # the working directory is gone, and nothing is imported from there


def main() -> int:
    """Run bwrun; return only when no command was started by this process."""
    isolate()
    from bwrun.launch import launch  # noqa: PLC0415  (after the search path is ours)

    return launch(sys.argv[1:], STARTED)


if __name__ == "__main__":
    sys.exit(main())
