"""Reading the master password from a command's output (`--password-command`)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from bwrun.base.errors import CredentialError
from bwrun.base.prctl import die_with_parent
from bwrun.base.sensitive import Sensitive
from bwrun.settings.sources import is_own

MAX_SIZE = 64 * 1024  # bytes


def run_password_command(command: str, environment: Mapping[str, str]) -> Sensitive:
    """
    Run `command` with /bin/sh and return its output less the last newline.

    It gets /dev/null as stdin, bwrun's stderr, and an environment without the
    credentials; it is waited for, and ends if bwrun does.

    Raises CredentialError: it cannot be run, fails, or prints nothing.
    """
    clean = {name: value for name, value in environment.items() if not is_own(name)}
    worker = os.getpid()
    try:
        process = subprocess.Popen(  # noqa: S602  (a shell line is what the option takes)
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=clean,
            preexec_fn=lambda: die_with_parent(worker),  # noqa: PLW1509  (this process has one thread here)
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
