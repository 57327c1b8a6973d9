"""Asking on the terminal whether something shall be done: printing the user key (`--print-user-key`), for example."""

from __future__ import annotations

import os
import stat

from bwrun.base.console import WarningMessage, printable
from bwrun.base.errors import CredentialError
from bwrun.credentials.prompts import Prompter, may_ask
from bwrun.settings.option_names import PRINT_USER_KEY
from bwrun.settings.sources import USER_KEY, Sources

STDOUT = 1
OTHERS = 0o077  # permission bits: of the group and of everybody
EXPLANATION = (
    "The user key of {who} decrypts its whole vault\n"
    "without the master password, also after that was changed, until the keys of the\n"
    "account are rotated.\n"
    "Whoever has it and the API key can read and change every item, so keep it as\n"
    f"secret as the master password, and use it as {USER_KEY} on hosts that must\n"
    "not have that."
)


def open_terminal(sources: Sources, mode: str) -> Prompter:
    """
    Return the terminal to ask on for `--login` or `--print-user-key`, which is the `mode`.

    Raises CredentialError: there is none, or BW_NOINTERACTION forbids to ask.
    """
    prompter = Prompter.find() if may_ask(sources) else None
    if prompter is None:
        to_file = "; its output may go to a file: `(umask 077; bwrun --print-user-key >FILE)`"
        raise CredentialError(
            "no-terminal", f"`--{mode}` asks on a terminal, and there is none that it may ask on",
            "run it by hand on a terminal, and without BW_NOINTERACTION" + (to_file if mode == PRINT_USER_KEY else ""),
        )  # fmt: skip
    return prompter


def check_terminal(sources: Sources, mode: str) -> None:
    """Look whether there is a terminal to ask on. Raises CredentialError, as `open_terminal`."""
    open_terminal(sources, mode).close()


def confirm_printing(who: str, sources: Sources) -> None:
    """
    Say what the user key of `who` is, and ask whether it shall be printed.

    Raises CredentialError: the answer is not `yes`, or the terminal is gone.
    """
    prompter = open_terminal(sources, PRINT_USER_KEY)
    try:
        prompter.say(EXPLANATION.format(who=printable(who)))
        confirmed = says_yes(prompter, 'answer ("yes" prints it)')
    finally:
        prompter.close()
    if not confirmed:
        raise CredentialError("not-confirmed", "the answer was not `yes`, so the user key is not printed")


def says_yes(prompter: Prompter, question: str) -> bool:
    """Ask, and return whether the answer is `yes`. Raises CredentialError: the terminal is gone."""
    try:
        return prompter.ask(question, echo=True).reveal().strip() == b"yes"
    except CredentialError as error:
        if error.code != "credentials.empty":
            raise
        return False


def exposed_output() -> tuple[WarningMessage, ...]:
    """Return the warning for the case that stdout goes to a file that other users can open."""
    try:
        status = os.fstat(STDOUT)
    except OSError:
        return ()
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode) or not mode & OTHERS:
        return ()
    hint = "answer no, and begin anew with `umask 077`, or run `chmod 600` on the file"
    return (WarningMessage(f"the key will be written to a file that other users can open (mode {mode:04o})", (hint,)),)
