"""Reading the master password from a command's output (`--password-command`)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from bwrun.base.errors import CredentialError
from bwrun.base.sensitive import Sensitive
from bwrun.settings.sources import is_bwrun_variable
from bwrun.system.calls import die_with_parent

MAX_SIZE = 64 * 1024  # bytes


def run_password_command(command: str, environment: Mapping[str, str]) -> Sensitive:
    """
    Run `command` with /bin/sh, wait for it, and return what it printed, without the newline at the end.

    The command has /dev/null as stdin, bwrun's stderr, and `environment` without credentials and settings of bwrun. It
    is killed if bwrun ends.

    Raises CredentialError: the command cannot be run, fails, or prints nothing or more than 64 KiB.
    """
    clean = {name: value for name, value in environment.items() if not is_bwrun_variable(name)}
    worker = os.getpid()
    try:
        process = subprocess.Popen(  # noqa: S602  (the option takes a line for the shell)
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=clean,
            preexec_fn=lambda: die_with_parent(worker, after_exec=True),  # noqa: PLW1509  (this process has no other thread here)
        )
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        how = type(error).__name__
        raise CredentialError("password-command", f"cannot run the password command: {how}") from None
    with process:
        output = b"" if process.stdout is None else process.stdout.read(MAX_SIZE + 1)
        if len(output) > MAX_SIZE:
            process.kill()
            raise CredentialError("password-command", f"the password command printed more than {MAX_SIZE >> 10} KiB")
    if process.returncode != 0:
        how = f"signal {-process.returncode}" if process.returncode < 0 else f"status {process.returncode}"
        raise CredentialError(
            "password-command", f"the password command ended with {how}", "run the password command by hand to see why"
        )
    secret = output.removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        raise CredentialError("password-command", "the password command printed nothing")
    return Sensitive(secret)
