"""
`open_session()`: a session for programs that the caller starts, held by a run of bwrun's own.

Only a process outside can clear when the caller is killed, and only another process can hold the API key and the keys
of the vault without leaving them in the caller's memory. So bwrun runs as ever, and its command is the holder.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Unpack

from bwrun.base.console import printable
from bwrun.base.errors import BwrunError, CredentialError, SessionError
from bwrun.library.errors_as_data import from_data, make_error
from bwrun.library.keywords import SESSION_KEYWORDS, SessionOptions, check_mapping, options_of
from bwrun.library.messages import CHUNK, ERROR, OPTIONS, VARIABLES, Received, encode
from bwrun.library.telling import LOGGER, guarded, presentable
from bwrun.settings.command_line import Options

MOST_PRINTED = 65536  # bytes of the process's stderr that are kept
PREFIX = "bwrun: error: "
CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")
NO_PROGRAM = "this Python does not know its own program"
NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)  # a caller may have set SIGPIPE to its default, which ends it


class Session:
    """An open session: what `open_session()` gives for the block."""

    def __init__(self, environment: dict[str, str]) -> None:
        """Take the variables. Programs call `open_session()`."""
        self.environment = environment

    def __repr__(self) -> str:
        """Return the number of variables, and nothing of their values."""
        return f"<Session, {len(self.environment)} variables>"


@contextmanager
def open_session(
    *, environment: Mapping[str, str] | None = None, prompt: bool = False, **options: Unpack[SessionOptions]
) -> Iterator[Session]:
    """
    Open a session in another process, and give the environment that a command of bwrun gets to the block.

    The session is gone when the block has ended, and also when this process ends in any other way.

    `environment` has the variables with credentials, settings and references, in place of `os.environ`. With `prompt`,
    credentials that are missing are asked for on the terminal. The `options` are the long options of bwrun's command
    line.

    Raises BwrunError; TypeError: an option is unknown or of a wrong type.
    """
    given, winning = options_of(options, SESSION_KEYWORDS, "open_session")
    given.values["mask"] = "off"  # nothing is printed that could be masked
    if LOGGER.isEnabledFor(logging.DEBUG):
        given.flags.add("verbose")
    if environment is not None:
        check_mapping("environment", environment)
    run, session = guarded(
        lambda: _open(given, {**(os.environ if environment is None else environment), **winning}, in_terminal=prompt)
    )
    try:
        yield session
    except BaseException:
        run.end()
        raise
    problem = run.end()
    if problem is not None:
        raise presentable(problem)


def _open(options: Options, environment: Mapping[str, str], *, in_terminal: bool) -> tuple[Run, Session]:
    run = Run(options, environment, _copy_of_descriptor(options), in_terminal=in_terminal)
    try:
        return run, Session(run.receive_environment())
    except BaseException:
        run.abandon()
        raise


class Run:
    """The run of bwrun whose command is the holder."""

    def __init__(
        self, options: Options, environment: Mapping[str, str], descriptor: int | None, *, in_terminal: bool
    ) -> None:
        """
        Start it.

        `descriptor` is one more for the process, which is closed here. `in_terminal`: the process may ask on the
        terminal; else it has none, so that Ctrl-C is for the caller alone.

        Raises SessionError: no process can be started.
        """
        self._pid = os.getpid()
        self._printed = b""
        inherited = [] if descriptor is None else [descriptor]
        ours, theirs = None, None
        try:
            if not sys.executable:
                raise ValueError(NO_PROGRAM)  # noqa: TRY301
            ours, theirs = socket.socketpair()
            channel = _copy(theirs.fileno())
            inherited.append(channel)
            caller = _pidfd_of_this_process()
            inherited += [caller] if caller >= 0 else []
            words = [sys.executable, "-P", CHILD, str(channel), str(caller)]
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment,
                pass_fds=inherited,
                start_new_session=not in_terminal,
            )
        except (OSError, ValueError) as error:
            if ours is not None:
                ours.close()
            why = os.strerror(error.errno or 0) if isinstance(error, OSError) else "a variable contains a NUL byte"
            why = why if sys.executable else NO_PROGRAM
            raise SessionError("no-process", f"cannot start bwrun's processes: {why}") from None
        finally:
            if theirs is not None:
                theirs.close()
            for one in inherited:
                os.close(one)
        self._channel = ours
        request = {"values": options.values, "lists": options.lists, "flags": sorted(options.flags)}
        try:
            ours.sendall(encode(OPTIONS, json.dumps(request).encode()), NO_SIGNAL)
        except OSError:
            pass  # the process has ended: that is found when its messages are read

    def receive_environment(self) -> dict[str, str]:
        """
        Wait until the session is open; return the variables that a command gets.

        Raises BwrunError: there will be no session.
        """
        received = Received()
        poll = select.poll()
        for descriptor in (self._channel.fileno(), self._stderr):
            poll.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                data = _read(descriptor)
                if descriptor == self._stderr:
                    self._keep(data)
                    if not data:
                        poll.unregister(descriptor)
                    continue
                received.add(data)
                while (message := received.take()) is not None:
                    kind, content = message
                    if kind == VARIABLES:
                        return _parse_block(content)
                    if kind == ERROR:
                        raise from_data(json.loads(content))
                    level, text = json.loads(content)
                    LOGGER.log(level, "%s", printable(text))
                if not data:
                    raise self._finish() or SessionError(
                        "ended", "bwrun's process ended before there was a session", "the log has what it printed"
                    )

    def abandon(self) -> None:
        """End the run if it has not ended by itself, however far it has come."""
        if self._process.returncode is None:
            self._process.terminate()
            self._finish()

    def end(self) -> BwrunError | None:
        """End the run: the session is gone after that. Return the error if it could not be cleared."""
        if os.getpid() != self._pid:  # a process that was forked in the block: the session is the other one's
            self._process.returncode = 0  # there is nothing to wait for
            self._channel.close()
            if self._process.stderr is not None:
                self._process.stderr.close()
            return None
        problem = self._finish()
        if problem is None and self._process.returncode:
            LOGGER.warning("the session had ended before its block: bwrun ended with %d", self._process.returncode)
        return problem

    @property
    def _stderr(self) -> int:
        if self._process.stderr is None:
            raise TypeError("stderr is a pipe")
        return self._process.stderr.fileno()

    def _finish(self) -> BwrunError | None:
        """Wait for the end of the run, and close all that belongs to it. Return the error that it printed."""
        try:
            self._channel.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the holder has ended
        self._channel.close()
        try:
            self._process.wait()
            os.set_blocking(self._stderr, False)
            while data := os.read(self._stderr, CHUNK):
                self._keep(data)
        except BlockingIOError:
            pass  # another process has this pipe too
        finally:
            if self._process.stderr is not None:
                self._process.stderr.close()
        return _error_in(self._printed)

    def _keep(self, data: bytes) -> None:
        self._printed = (self._printed + data)[:MOST_PRINTED]


def _copy_of_descriptor(options: Options) -> int | None:
    """
    Return a copy of the descriptor of `password_fd`, which is closed, and let the options name the copy.

    Raises CredentialError: it is not open.
    """
    text = options.values.get("password-fd", "")
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        return None  # reading it will report the error
    try:
        copy = _copy(int(text))
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise CredentialError("unreadable", f"cannot read descriptor {text} (from `password_fd`): {why}") from None
    if int(text) > 2:
        os.close(int(text))
    options.values["password-fd"] = str(copy)
    return copy


def _read(descriptor: int) -> bytes:
    """Return what has come; nothing after the end of the other process."""
    try:
        return os.read(descriptor, CHUNK)
    except ConnectionError:
        return b""


def _pidfd_of_this_process() -> int:
    """Return a descriptor that tells another process when this one has ended; -1 where the system has none."""
    pidfd_open = getattr(os, "pidfd_open", None)
    if pidfd_open is None:
        return -1
    try:
        descriptor: int = pidfd_open(os.getpid())
    except OSError:
        return -1
    try:
        return _copy(descriptor)
    except OSError:
        return -1
    finally:
        os.close(descriptor)


def _copy(descriptor: int) -> int:
    """Return a copy above the standard descriptors, in whose place the other process gets others. Raises OSError."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)


def _parse_block(block: bytes) -> dict[str, str]:
    pairs = (entry.partition(b"=") for entry in block.split(b"\0") if b"=" in entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def _error_in(printed: bytes) -> BwrunError | None:
    """Log what the supervisor has printed; return its first error."""
    found = None
    for line in printed.decode("utf-8", "backslashreplace").splitlines():
        LOGGER.warning("%s", printable(line))
        message, bracket, code = line.removeprefix(PREFIX).rpartition(" [")
        if found is None and line.startswith(PREFIX) and bracket:
            found = make_error("SessionError", code.removesuffix("]"), message, [])
    return found
