"""Asking for missing credentials on the terminal, and the error when nobody can be asked."""

from __future__ import annotations

import time

from bwrun.base.deadline import Deadline
from bwrun.base.errors import CredentialError
from bwrun.credentials.api_key import KEY_HINT, checked_client_id
from bwrun.credentials.found import PROMPT, Secret
from bwrun.credentials.prompts import Prompter, may_ask
from bwrun.settings.config import Config
from bwrun.settings.sources import CREDENTIALS, ENVIRONMENT, Sources

QUESTIONS = ("client_id", "client_secret", "master password")  # for the prompts, in the order of CREDENTIALS
PASSWORD_HINT = "set the master password too: an API key alone cannot unlock a vault"  # noqa: S105
CONNECTOR_HINT = "if your organization runs a Key Connector, set `--key-connector-url` instead"


def ask(missing: list[str], sources: Sources) -> dict[str, Secret]:
    """Ask for the credentials in `missing` on the terminal; raise CredentialError if that is not possible."""
    refused = not may_ask(sources)
    prompter = None if refused else Prompter.find()
    if prompter is None:
        verb, it = ("is", "it") if len(missing) == 1 else ("are", "them")
        names = ", ".join(missing[:-1]) + (" and " if missing[1:] else "") + missing[-1]
        raise CredentialError(
            "missing", f"{names} {verb} not set" + ("" if refused else f", and there is no terminal to ask for {it}"),
            _where_it_looked(sources),
            f"set {it} in the environment or in `.env`, or set NAME_FILE to the path of a file that contains the value",
            *([KEY_HINT] if missing != ["BW_PASSWORD"] else []),
            *([PASSWORD_HINT, CONNECTOR_HINT] if "BW_PASSWORD" in missing else []),
        )  # fmt: skip
    questions = {name: f"Bitwarden {what}" for name, what in zip(CREDENTIALS, QUESTIONS, strict=True)}
    try:
        answers = {}
        for name in missing:
            secret = Secret(prompter.ask(questions[name], echo=name == "BW_CLIENTID"), PROMPT)
            if name == "BW_CLIENTID":
                checked_client_id(secret)
            answers[name] = secret
        return answers
    finally:
        prompter.close()


def ask_password_again(config: Config, deadline: Deadline) -> Secret | None:
    """
    Ask for the master password once more, after a wrong one was typed; None if there is no terminal any more.

    The time that it takes is excused from the `deadline`.

    Raises CredentialError: nothing was entered.
    """
    prompter = Prompter.find() if may_ask(config.sources) else None
    if prompter is None:
        return None
    start = time.monotonic()
    try:
        prompter.say("wrong master password; try again")
        return Secret(prompter.ask(f"Bitwarden {QUESTIONS[2]}", echo=False), PROMPT)
    finally:
        prompter.close()
        deadline.extend(time.monotonic() - start)


def _where_it_looked(sources: Sources) -> str:
    places = [ENVIRONMENT, *(f"in {file}" for file in sources.described_files)]
    looked = f"bwrun looked in {' and '.join(places)}"
    return (
        looked
        if sources.files
        else f"{looked}; there is no `.env` in the working directory or above it in its git repository"
    )
