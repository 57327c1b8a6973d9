"""Reading a secret from a command's output (`--password-command`, `--clientsecret-command`)."""

from __future__ import annotations

import os
import select
import subprocess
import threading
from collections.abc import Mapping
from typing import Any

from bwrun.base.errors import CredentialError
from bwrun.base.progress import announce, terminal_modes
from bwrun.base.sensitive import Sensitive
from bwrun.settings.sources import is_bwrun_variable
from bwrun.system.calls import die_with_parent

MAX_SIZE = 64 * 1024  # bytes
PASSWORD, CLIENT_SECRET = "password", "client secret"
WORTH_SHOWING = 1.0  # seconds


def run_secret_command(name: str, command: str, environment: Mapping[str, str], *, quiet: bool = False) -> Sensitive:
    """
    Run `command` with /bin/sh, wait for it, and return what it printed, without the newline at the end.

    `name` is PASSWORD or CLIENT_SECRET: what messages call the command. If it takes more than a second, a line on the
    terminal says that bwrun waits for it, unless `quiet`.

    The command has /dev/null as stdin, bwrun's stderr, and `environment` without credentials and settings of bwrun. It
    is killed if bwrun ends; a process with other threads cannot have that.

    Raises CredentialError: the command cannot be run, fails, or prints nothing or more than 64 KiB.
    """
    clean = {name: value for name, value in environment.items() if not is_bwrun_variable(name)}
    worker, modes = os.getpid(), terminal_modes()
    # In a process with other threads, which only a user of the library can be, code before the exec could deadlock.
    is_alone = threading.active_count() == 1
    try:
        process = subprocess.Popen(  # noqa: S602  (the option takes a line for the shell)
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=clean,
            preexec_fn=(lambda: die_with_parent(worker, after_exec=True)) if is_alone else None,  # noqa: PLW1509  (no other thread)
        )
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        how = type(error).__name__
        raise _error(name, f"cannot run the {name} command: {how}") from None
    with process:
        if process.stdout is not None and not quiet:
            _wait_for_output(name, process.stdout.fileno(), modes)
        output = b"" if process.stdout is None else process.stdout.read(MAX_SIZE + 1)
        if len(output) > MAX_SIZE:
            process.kill()
            raise _error(name, f"the {name} command printed more than {MAX_SIZE >> 10} KiB")
    if process.returncode != 0:
        how = f"signal {-process.returncode}" if process.returncode < 0 else f"status {process.returncode}"
        raise _error(name, f"the {name} command ended with {how}", f"run the {name} command by hand to see why")
    secret = output.removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        raise _error(name, f"the {name} command printed nothing")
    return Sensitive(secret)


def _error(name: str, message: str, *hints: str) -> CredentialError:
    if name == PASSWORD:
        return CredentialError("password-command", message, *hints)
    return CredentialError("clientsecret-command", message, *hints)


def _wait_for_output(name: str, descriptor: int, modes: list[Any] | None) -> None:
    """Wait until the command prints something or ends; `modes` are those of the terminal before it was started."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)

    def wait(seconds: float) -> bool:
        return bool(poll.poll(seconds * 1000))

    if not wait(WORTH_SHOWING):
        announce(f"waiting for the {name} command ", wait, modes)
