"""
The supervisor's side of the masker: the process that replaces secrets in the command's output, with `--mask`.

It is a fork of the supervisor, as janitor and canary are: an interpreter of its own would take 15 ms longer. It gets
the values and the descriptors from the worker, over a socket that the worker gets from here. The supervisor never sees
them. Over a socket of its own, the supervisor tells the masker what happens to the command:

    supervisor → masker   ended    the command has ended: write what is left, and end
                          pause    the command was stopped: give the terminal back, and answer `paused`
                          resume   bwrun was continued: take the terminal again if it is in the foreground

The masker stands between the command and the caller's stdout and stderr. If it is killed, nobody holds the other ends
of its pipes and terminals any more, so the kernel ends the command's output.
"""

from __future__ import annotations

import os

from bwrun.base import signals
from bwrun.supervisor import ending
from bwrun.supervisor.printing import drop_own_sigpipe, print_line
from bwrun.system import calls, processes
from bwrun.system.calls import wait_signal

ENDED, PAUSE, PAUSED, RESUME = b"e", b"p", b"P", b"r"
ANSWER_TIME = 2000  # milliseconds until a masker that does not answer is not waited for any more
ENDING = (signals.SIGTERM, signals.SIGINT, signals.SIGHUP, signals.SIGQUIT)
STOPPING = (signals.SIGTSTP, signals.SIGTTIN, signals.SIGTTOU)


class Masker:
    """The masker of a run."""

    def __init__(self, pid: int, link: int) -> None:
        """`link` is the supervisor's end of the socket to it."""
        self.pid = pid
        self.has_terminal = False  # True: the command runs on a terminal of the masker's, in a session of its own
        self._link = link
        self._ended = False

    @classmethod
    def start(cls, packages: bytes) -> tuple[Masker, int]:
        """
        Start the masker; return it, and the descriptor of the worker's socket to it.

        `packages` is the folder of installed packages, which this process does not know.

        Raises OSError: the system allows no more processes or descriptors.
        """
        from _socket import socketpair  # noqa: PLC0415  (only for --mask)

        worker, values, link, theirs = (one.detach() for pair in (socketpair(), socketpair()) for one in pair)
        pid = os.fork()
        if pid == 0:
            try:
                _run_masker(values, theirs, packages)
            finally:
                os._exit(1)
        os.close(values)
        os.close(theirs)
        return cls(pid, link), worker

    def has_ended(self, pid: int, status: int) -> bool:
        """Note that child `pid` was reaped, with its `status` of waitpid(2); return whether it was the masker."""
        if pid != self.pid:
            return False
        self._ended = True
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            why = os.strerror(os.WEXITSTATUS(status))
            print_line(f"error: the command's output cannot be written: {why} [mask.output]")
        elif os.WIFSIGNALED(status):
            print_line("error: the process that masks was killed: the command's output has ended [mask.killed]")
        return True

    def pause(self) -> None:
        """Have the masker give the terminal back, because the command was stopped."""
        import select  # noqa: PLC0415

        self._send(PAUSE)
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        if poll.poll(ANSWER_TIME):
            try:
                os.read(self._link, 1)
            except OSError:
                pass

    def resume(self) -> None:
        """Have the masker take the terminal, if bwrun is in the foreground."""
        self._send(RESUME)

    def finish(self) -> int | None:
        """
        Have the masker write what is left, and wait for its end; return a signal that asked bwrun to end meanwhile.

        It takes as long as the reader of the output takes. A signal that asks bwrun to end kills the masker.
        """
        self._send(ENDED)
        awaited = {signals.SIGCHLD, *ENDING, *STOPPING}
        while not self._ended:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                break  # it was reaped with the processes that the command left running
            if pid:
                self.has_ended(pid, status)
                break
            received = wait_signal(awaited, 86400.0)
            number = received.number if received is not None else signals.SIGCHLD
            if number in STOPPING and ending.has_terminal():
                ending.stop_by_signal(number)
            elif number in ENDING and signals.getsignal(number) != signals.SIG_IGN:
                self.kill()
                return number
        return None

    def kill(self) -> None:
        """Kill and reap the masker, whatever it has not written."""
        if self._ended:
            return
        self._ended = True
        os.kill(self.pid, signals.SIGKILL)
        os.waitpid(self.pid, 0)

    def _send(self, word: bytes) -> None:
        try:
            os.write(self._link, word)
        except OSError:  # it has ended
            drop_own_sigpipe()


def _run_masker(values: int, link: int, packages: bytes) -> None:
    """Become the masker. This runs in the new process, which holds nothing secret yet."""
    calls.show_memory()  # set_name() writes to /proc/self/mem
    processes.set_name("output-masker", command_line=True)
    calls.hide_memory()
    # By its name, because the supervisor's own process must not load what it does not need.
    module = __import__("bwrun.masking.process", fromlist=["main"])
    module.main(values, link, os.fsdecode(packages))
