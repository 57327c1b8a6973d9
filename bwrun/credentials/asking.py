"""Asking for missing credentials on the terminal, and the error when nobody can be asked."""

from __future__ import annotations

import time

from bwrun.base.console import printable
from bwrun.base.deadline import Deadline
from bwrun.base.errors import CredentialError
from bwrun.credentials.api_key import KEY_HINT, checked_client_id, checked_client_secret
from bwrun.credentials.found import PROMPT, Secret
from bwrun.credentials.prompts import Prompter, may_ask
from bwrun.settings.config import Config
from bwrun.settings.sources import CREDENTIALS, ENVIRONMENT, SERVICE_DIRECTORY, Sources

QUESTIONS = ("client_id", "client_secret", "master password")  # for the prompts, in the order of CREDENTIALS
PASSWORD_HINT = "set the master password too: an API key alone cannot unlock a vault"  # noqa: S105
CONNECTOR_HINT = "if your organization runs a Key Connector, set `--key-connector-url` instead"


def ask(
    missing: list[str], sources: Sources, note: str = "", failure: CredentialError | None = None
) -> dict[str, Secret]:
    """
    Ask for the credentials in `missing` on the terminal.

    `note` says why the kept credentials are not used, and `failure` is the error of the keyring that holds them.

    Raises CredentialError: that is not possible.
    """
    refused = not may_ask(sources)
    prompter = None if refused else Prompter.find()
    if prompter is None and failure is not None:
        raise failure
    if prompter is None:
        verb, it = ("is", "it") if len(missing) == 1 else ("are", "them")
        names = ", ".join(missing[:-1]) + (" and " if missing[1:] else "") + missing[-1]
        raise CredentialError(
            "missing", f"{names} {verb} not set" + ("" if refused else f", and there is no terminal to ask for {it}"),
            _where_it_looked(sources),
            *([note] if note else []),
            f"set {it} in the environment or in `.env`, or set NAME_FILE to the path of a file that contains the value",
            f"or run `bwrun --login` on a terminal, once: it keeps {it} for all later runs",
            *([KEY_HINT] if missing != ["BW_PASSWORD"] else []),
            *([PASSWORD_HINT, CONNECTOR_HINT] if "BW_PASSWORD" in missing else []),
        )  # fmt: skip
    questions = {name: f"Bitwarden {what}" for name, what in zip(CREDENTIALS, QUESTIONS, strict=True)}
    if failure is not None:
        note = failure.message
    try:
        if note:
            prompter.say(printable(note))
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
    return _ask_again("wrong master password; try again", QUESTIONS[2], config, deadline)


def ask_secret_again(config: Config, deadline: Deadline) -> Secret | None:
    """
    Ask for the client secret once more, after the server refused the one that was typed, as `ask_password_again` does.

    Raises CredentialError: nothing was entered, or something that is no client secret.
    """
    complaint = "the server does not accept this client_secret for this client_id; try again"
    again = _ask_again(complaint, QUESTIONS[1], config, deadline)
    return None if again is None else checked_client_secret(again)


def _ask_again(complaint: str, question: str, config: Config, deadline: Deadline) -> Secret | None:
    prompter = Prompter.find()
    if prompter is None or not may_ask(config.sources):
        return None
    start = time.monotonic()
    try:
        prompter.say(complaint)
        return Secret(prompter.ask(f"Bitwarden {question}", echo=False), PROMPT)
    finally:
        prompter.close()
        deadline.extend(time.monotonic() - start)


def _where_it_looked(sources: Sources) -> str:
    places = [ENVIRONMENT]
    if sources.environment.get(SERVICE_DIRECTORY):
        places.append(f"in `${SERVICE_DIRECTORY}`")
    if not sources.files:
        return f"bwrun looked in {' and '.join(places)}; there is no `.env` in the working directory"
    places.append("in " + " and ".join(f"`{file.path}`" for file in sources.files))
    return f"bwrun looked in {' and '.join(places)}"
