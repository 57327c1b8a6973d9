"""Short-lived processes that the supervisor starts for what it must not import itself."""

from __future__ import annotations

import os
import sys

# Before anything that takes time: closed to others, and gone when the supervisor is.
_START = """
import sys
sys.path.append(sys.argv[1])
from bwrun.base import prctl
prctl.hide_memory()
prctl.die_with_parent(int(sys.argv[2]))
from {module} import main
main(sys.argv[3:])
"""


class Helper:
    """A Python process that runs `main()` of a module of bwrun's, with input and output over pipes."""

    def __init__(self, pid: int, output: int) -> None:
        """`output` is the read end of its stdout."""
        self.pid = pid
        self._output = output

    @classmethod
    def start(cls, module: str, words: list[str], data: bytes = b"") -> Helper:
        """
        Start it and hand over `data` (what a pipe holds, 64 KiB as a rule) on its stdin: nothing secret is in argv.

        It has all signals blocked, as the supervisor, and an environment without credentials.

        Raises OSError.
        """
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        argv = [sys.executable, "-I", "-c", _START.format(module=module), root, str(os.getpid()), *words]
        input_read, input_write = os.pipe()
        output_read, output_write = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            for descriptor in (input_read, input_write, output_read, output_write):
                os.close(descriptor)
            raise
        if pid == 0:
            try:
                os.dup2(input_read, 0)
                os.dup2(output_write, 1)
                os.execve(sys.executable, argv, os.environ)
            finally:
                os._exit(125)
        os.close(input_read)
        os.close(output_write)
        os.set_blocking(input_write, False)
        try:
            os.write(input_write, data)  # what does not fit the pipe is missing: the helper then says so
        except OSError:
            pass  # it died: its end says so
        os.close(input_write)
        os.set_blocking(output_read, False)
        return cls(pid, output_read)

    def output(self) -> bytes:
        """Return what it has printed, once it has ended; closes the pipe."""
        try:
            return os.read(self._output, 4096)
        except OSError:
            return b""
        finally:
            os.close(self._output)
