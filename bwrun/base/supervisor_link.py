"""The worker's side of the messages that are listed in `bwrun.base.channel`."""

from __future__ import annotations

import os

from bwrun.base.channel import (
    CHECK_DIRECTORY,
    CONFIRM,
    END,
    EXEC,
    MAKE_DIRECTORY,
    NO_DIRECTORY,
    REFUSED,
    RENEW,
    SET,
    START_AGENT,
    START_MASKER,
    Channel,
)
from bwrun.base.errors import SessionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class SupervisorLink:
    """The connection from the worker to its supervisor."""

    def __init__(self, descriptor: int) -> None:
        """Take over `descriptor`, the worker's end of the channel."""
        self.descriptor = descriptor
        self._channel = Channel(descriptor)

    def request_directory(self, *, needed: bool, dry_run: bool) -> None:
        """Ask for the session's directory, if the run needs one; with `dry_run` only whether it could be made."""
        self._channel.send(NO_DIRECTORY if not needed else CHECK_DIRECTORY if dry_run else MAKE_DIRECTORY)

    def wait_until_guarded(self) -> str | None:
        """
        Wait for the answer to `request_directory()`: from then on supervisor, janitor and canary guard this process.

        Return the path of the session's directory, which is empty if none was made; None if the supervisor is dead.

        Raises SessionError: the directory cannot be made.
        """
        answer = self._channel.receive()
        if answer is None:
            return None
        if answer[0] == REFUSED:
            raise SessionError(
                os.fsdecode(answer[1]), f"cannot make a directory for the session: {os.fsdecode(answer[2])}",
                "set BWRUN_RUNTIME_DIR to a directory that only you can write to",
                "if the command needs the values of references and no `bw`, use `--no-session`: it needs no directory",
            )  # fmt: skip
        return os.fsdecode(answer[1])

    def start_agent(self, program: bytes, socket: bytes) -> None:
        """Ask the supervisor to start the ssh-agent `program`, which is to listen on the path `socket`."""
        self._channel.send(START_AGENT, program, socket)

    def wait_for_agent(self) -> None:
        """
        Wait for the answer to `start_agent()`.

        Raises SessionError: the agent does not listen.
        """
        answer = self._channel.receive()
        if answer is None or answer[0] == REFUSED:
            why = "the supervisor is dead" if answer is None else os.fsdecode(answer[2])
            raise SessionError("ssh-agent", f"ssh-agent did not start: {why}")

    def start_masker(self, packages: bytes) -> int:
        """
        Ask the supervisor to start the masker, of `--mask`; return the descriptor of a socket to it.

        `packages` is the folder of installed packages that the masker may need.

        No other answer of the supervisor may be on its way.

        Raises SessionError: it cannot be started.
        """
        self._channel.send(START_MASKER, packages)
        answer, descriptor = self._channel.receive_with()
        if descriptor is None:
            why = "the supervisor is dead" if answer is None else os.fsdecode(answer[2])
            raise SessionError("masker", f"cannot start the process that masks the output: {why}")
        return descriptor

    def announce_terminal(self) -> None:
        """Say that the command will run on a terminal of the masker's."""
        self._channel.send(SET, b"masked-terminal", b"1")

    def apply_settings(self, settings: Mapping[str, str], *, verbose: bool) -> None:
        """Send the settings for the supervisor, and wait until they are in force."""
        for name, value in settings.items():
            self._channel.send(SET, name.encode(), value.encode())
        self._channel.send(SET, b"verbose", b"1" if verbose else b"")
        self._channel.send(CONFIRM)
        self._channel.receive()

    def hand_over_renewal(self, lifetime: int, words: list[bytes]) -> None:
        """Send the data for renewing the access token, which is valid for `lifetime` seconds."""
        self._channel.send(RENEW, b"%d" % lifetime, *words)

    def announce_exec(self) -> None:
        """Say that this process is about to become the command."""
        self._channel.send(EXEC)

    def announce_end(self, status: int) -> None:
        """Say that this process ends with the exit status `status`, and has printed all messages."""
        self._channel.send(END, b"%d" % status)
