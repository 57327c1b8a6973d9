"""Reading the master password from a command's output (`--password-command`)."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from bwrun.errors import CredentialError
from bwrun.hardening import die_with_parent
from bwrun.sensitive import Sensitive
from bwrun.sources import is_own

MAX_SIZE = 64 * 1024  # bytes


def run_password_command(command: str, environment: Mapping[str, str]) -> Sensitive:
    """
    Run `command` with /bin/sh and return its output less the last newline.

    It gets /dev/null as stdin, bwrun's stderr, and an environment without the
    credentials; it is waited for, and ends if bwrun does.

    Raises CredentialError: it cannot be run, fails, or prints nothing.
    """
    clean = {name: value for name, value in environment.items() if not is_own(name)}
    try:
        done = subprocess.run(  # noqa: S602  (a shell line is what the option takes)
            command,
            shell=True,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=clean,
            preexec_fn=die_with_parent,
        )
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise CredentialError(
            "password-command", f"the password command cannot be run: {type(error).__name__}"
        ) from None
    if done.returncode != 0:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
        raise CredentialError("password-command", f"the password command ended with {how}", "run it by hand to see why")
    secret = done.stdout.removesuffix(b"\n").removesuffix(b"\r")
    if not secret or len(secret) > MAX_SIZE:
        what = "nothing" if not secret else f"more than {MAX_SIZE >> 10} KiB"
        raise CredentialError("password-command", f"the password command printed {what}")
    return Sensitive(secret)
