"""Starting helpers: short processes for work that needs modules which the supervisor must not import."""

from __future__ import annotations

import os
import sys

from bwrun.system.common import python_options

# The process hides its memory and ties its life to the supervisor before it imports anything else.
_START = """
import sys
sys.path.append(sys.argv[1])
from bwrun.system import calls
calls.hide_memory()
calls.die_with_parent(int(sys.argv[2]))
from {module} import main
main(sys.argv[3:])
"""


class Helper:
    """A Python process that runs `main()` of one of bwrun's modules, with pipes as stdin and stdout."""

    def __init__(self, pid: int, output: int) -> None:
        """`output` is the read end of the pipe that is its stdout."""
        self.pid = pid
        self._output = output

    @classmethod
    def start(cls, module: str, words: list[str], data: bytes = b"") -> Helper:
        """
        Start `main(words)` of `module`, and write `data` to its stdin. Secrets belong into `data`, never into `words`.

        `data` must fit into a pipe, which holds 64 KiB as a rule. The helper inherits the supervisor's environment,
        which has no credentials, and its blocked signals.

        Raises OSError: the system allows no more processes or descriptors.
        """
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        options = python_options(with_packages=True)
        argv = [sys.executable, *options, "-c", _START.format(module=module), root, str(os.getpid()), *words]
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
            os.write(input_write, data)  # if it does not fit into the pipe, the helper will report that data is missing
        except OSError:
            pass  # it has died, which the supervisor will see when it reaps it
        os.close(input_write)
        os.set_blocking(output_read, False)
        return cls(pid, output_read)

    def output(self) -> bytes:
        """Return what the helper printed (up to 4 KiB) and close the pipe; call it once, after the helper ended."""
        try:
            return os.read(self._output, 4096)
        except OSError:
            return b""
        finally:
            os.close(self._output)
