"""
The worker's side of the ssh-agent of `--ssh-key`: finding OpenSSH's programs, and giving the keys to the agent.

The worker runs ssh-add, and writes each key to its stdin, which is a pipe. So a key is in no file, no command line and
no environment. The agent itself is a child of the supervisor (`bwrun.supervisor.agent`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Protocol

from bwrun.base.errors import CommandError, SessionError
from bwrun.base.sensitive import Sensitive
from bwrun.base.supervisor_link import SupervisorLink
from bwrun.command.finding import find_command
from bwrun.settings.sources import AGENT_VARIABLE, is_bwrun_variable

SOCKET = "agent"  # its name in the session's directory
# Bytes of a socket's path: sun_path has 108 on Linux (unix(7)), 104 on macOS and the BSDs (unix(4)), with a NUL.
MAX_SOCKET = 107 if sys.platform == "linux" else 103
ADD_TIME = 10.0  # seconds that ssh-add may take for a key


class Key(Protocol):
    """A private key in OpenSSH's form."""

    @property
    def label(self) -> str:
        """The name of the key in messages."""

    @property
    def private_key(self) -> Sensitive:
        """The key itself."""


class SshAgent:
    """The agent of a run."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """
        Find ssh-agent and ssh-add on the PATH of bwrun's `environment`.

        Env files do not count: a `.env` in a strange checkout must not choose the program that gets the keys.

        Raises SessionError: there are no such programs.
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
        self._environment = {name: value for name, value in environment.items() if not is_bwrun_variable(name)}
        self._socket = ""

    def start(self, supervisor: SupervisorLink, directory: str) -> None:
        """
        Ask the supervisor to start the agent, with its socket in the session's `directory`, and do not wait for it.

        Raises SessionError: the path of the socket is too long.
        """
        self._socket = os.path.join(directory, SOCKET)
        size = len(os.fsencode(self._socket))
        if size > MAX_SOCKET:
            raise SessionError(
                "socket-path", f"the path of the ssh-agent's socket has {size} bytes, but the limit is {MAX_SOCKET}",
                "set BWRUN_RUNTIME_DIR to a directory with a shorter path",
            )  # fmt: skip
        supervisor.start_agent(self._ssh_agent, os.fsencode(self._socket))

    def add_keys(self, supervisor: SupervisorLink, keys: Iterable[Key]) -> bytes:
        """
        Wait until the agent listens, and give it the keys; return the path of its socket.

        The order of the keys stays, because ssh offers them to a server in this order.

        Raises SessionError: the agent did not start, or ssh-add does not accept a key.
        """
        supervisor.wait_for_agent()
        for key in keys:
            problem = self._add(key.private_key)
            if problem is not None:
                raise SessionError("ssh-add", f"{key.label}: ssh-add cannot add the key: {problem}")
        return os.fsencode(self._socket)

    def _add(self, private_key: Sensitive) -> str | None:
        """Return what went wrong, or None."""
        import subprocess  # noqa: PLC0415  (20 ms, which the worker spends during the key derivation)

        try:
            done = subprocess.run(
                [self._ssh_add, "-q", "-"],
                check=False,
                input=private_key.reveal(),
                capture_output=True,
                env=self._environment | {AGENT_VARIABLE: self._socket, "SSH_ASKPASS_REQUIRE": "never"},
                timeout=ADD_TIME,
                start_new_session=True,  # so that it has no terminal to prompt on
            )
        except subprocess.TimeoutExpired:
            return f"it took more than {ADD_TIME:.0f} seconds"
        except (OSError, subprocess.SubprocessError) as error:
            return type(error).__name__
        if done.returncode == 0:
            return None
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"it ended with status {done.returncode}"
