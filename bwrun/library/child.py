"""
The process that `open_session()` starts: `python -P …/bwrun/library/child.py SOCKET CALLER`.

It is bwrun's launcher: it forks the worker and becomes the supervisor. Options come over the SOCKET and not as
arguments, because arguments are for everybody to see. Messages go there and not to stderr. The command of the run is
the holder. CALLER is a pidfd of the caller, or -1.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable

sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from bwrun.__main__ import STARTED, isolate
from bwrun.base.console import Console, place_of
from bwrun.base.errors import STATUS_FAILED, BwrunError
from bwrun.launch import start
from bwrun.library.errors_as_data import internal_error, to_data
from bwrun.library.messages import ERROR, LOG, receive, send
from bwrun.settings.command_line import Options

DEBUG, INFO, WARNING = 10, 20, 30  # of `logging`, which takes 10 ms to import
HOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "holder.py")


class RemoteConsole(Console):
    """A console whose messages go to the caller."""

    def __init__(self, descriptor: int) -> None:
        """Send the messages to `descriptor`."""
        super().__init__(verbose=False, started=STARTED)
        self._descriptor = descriptor

    def step(self, text: str) -> None:
        """Send that a step is done."""
        if self.verbose:
            self._log(DEBUG, text)

    def tell(self, text: str) -> None:
        """Send why nothing happens for a while."""
        self._log(INFO, text)

    def print_lines(self, lines: Iterable[str]) -> None:
        """Send lines that a setting asks for."""
        for line in lines:
            self._log(INFO, line)

    def warn(self, text: str, *hints: str) -> None:
        """Send a warning, and what to do about it."""
        self._log(WARNING, "; ".join((text, *hints)))

    def print_error(self, error: BwrunError) -> None:
        """Send the error."""
        send(self._descriptor, ERROR, json.dumps(to_data(error)).encode())

    def print_internal_error(self, error: BaseException) -> None:
        """Send type and place of an exception that is a bug of bwrun. Its text may quote a secret."""
        self.print_error(internal_error(type(error).__name__, place_of(error)))

    def _write(self, *lines: str) -> None:
        for line in lines:
            self._log(WARNING, line)

    def _log(self, level: int, text: str) -> None:
        send(self._descriptor, LOG, json.dumps((level, text)).encode())


def main(channel: int, caller: int) -> int:
    """Start the run that the caller asks for; return the exit status if that fails."""
    isolate()
    message = receive(channel)
    if message is None:
        return STATUS_FAILED  # the caller is gone
    options = Options()
    given = json.loads(message[1])
    options.values, options.lists, options.flags = given["values"], given["lists"], set(given["flags"])
    options.command = [sys.executable, "-I", "-S", HOLDER, str(channel), str(caller)]
    return start(options, RemoteConsole(channel))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
