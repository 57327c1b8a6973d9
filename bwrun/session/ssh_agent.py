"""
The worker's side of `--ssh-key`: OpenSSH's programs, and how the private keys get into the agent.

The agent is a child of the supervisor (`bwrun.supervisor.agent`), which never sees a key: this process gives them to
ssh-add through a pipe.  They are in no file, no command line and no environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Protocol

from bwrun.base.channel import REFUSED, START_AGENT, Channel
from bwrun.base.errors import CommandError, SessionError
from bwrun.base.sensitive import Sensitive
from bwrun.command.finding import find_command
from bwrun.settings.sources import AGENT_VARIABLE, is_own

SOCKET = "agent"  # its name in the session's directory
MAX_SOCKET = 107  # bytes of a socket's path: sun_path holds 108 with the NUL (unix(7))
ADD_TIME = 10.0  # seconds that ssh-add may take for a key


class Key(Protocol):
    """A private key in OpenSSH's form."""

    @property
    def label(self) -> str:
        """What messages call it."""

    @property
    def private_key(self) -> Sensitive:
        """The key."""


class SshAgent:
    """The agent of this run: found, started by the supervisor, and given its keys."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """
        Find ssh-agent and ssh-add on the PATH of the caller's `environment`, so no `.env` says which program gets keys.

        Raises SessionError: they are not there.
        """
        path = environment.get("PATH")
        names = ("ssh-agent", "ssh-add")
        try:
            found = [find_command(name, None if path is None else os.fsencode(path)) for name in names]
        except CommandError as error:
            raise SessionError(
                "no-ssh-agent", f"`--ssh-key` needs ssh-agent and ssh-add: {error.message}",
                "install the OpenSSH client (on Debian, the package `openssh-client`)",
            ) from None  # fmt: skip
        self._ssh_agent, self._ssh_add = map(os.path.abspath, found)
        self._environment = {name: value for name, value in environment.items() if not is_own(name)}
        self._socket = ""

    def start(self, link: Channel, directory: str) -> None:
        """
        Ask the supervisor to start it, with its socket in the session's `directory`; `hand_over()` waits for it.

        Raises SessionError: the path is longer than a socket's can be.
        """
        self._socket = os.path.join(directory, SOCKET)
        size = len(os.fsencode(self._socket))
        if size > MAX_SOCKET:
            raise SessionError(
                "socket-path", f"the path of the ssh-agent's socket has {size} bytes, but {MAX_SOCKET} is the limit",
                "set BWRUN_RUNTIME_DIR to a directory with a shorter path",
            )  # fmt: skip
        link.send(START_AGENT, self._ssh_agent, os.fsencode(self._socket))

    def hand_over(self, link: Channel, keys: Iterable[Key]) -> bytes:
        """
        Give it the keys, in their order (ssh offers them to a server in that order); return the path of its socket.

        Raises SessionError: it did not start, or does not take a key.
        """
        words = link.receive()
        if words is None or words[0] == REFUSED:
            why = "" if words is None else f": {os.fsdecode(words[2])}"
            raise SessionError("ssh-agent", f"ssh-agent did not start{why}")
        for key in keys:
            problem = self._add(key.private_key)
            if problem is not None:
                raise SessionError("ssh-add", f"{key.label}: ssh-add cannot add the key: {problem}")
        return os.fsencode(self._socket)

    def _add(self, private_key: Sensitive) -> str | None:
        """Return what went wrong, None if nothing did."""
        import subprocess  # noqa: PLC0415  (20 ms, which the worker spends beside the key derivation)

        try:
            done = subprocess.run(
                [self._ssh_add, "-q", "-"],
                check=False,
                input=private_key.reveal(),
                capture_output=True,
                env=self._environment | {AGENT_VARIABLE: self._socket, "SSH_ASKPASS_REQUIRE": "never"},
                timeout=ADD_TIME,
                start_new_session=True,  # without a terminal it cannot ask for anything
            )
        except subprocess.TimeoutExpired:
            return f"it took more than {ADD_TIME:.0f} seconds"
        except (OSError, subprocess.SubprocessError) as error:
            return type(error).__name__
        if done.returncode == 0:
            return None
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return said[-1] if said else f"status {done.returncode}"
