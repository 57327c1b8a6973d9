"""Typing the answers to `bwrun --login`, and the file that it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.server.control import Account
from tests.support.files import write_private
from tests.support.program import BWRUN, Surroundings
from tests.support.terminal import Terminal

CREDENTIALS = ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD")
FILE = ".config/bwrun/credentials"
NO_KEYRING = "keyring.backends.fail.Keyring"
FILE_KEYRING = "keyrings.alt.file.PlaintextKeyring"  # a keyring that is a file, so it needs no desktop
QUESTIONS = ("server: us, eu, gov or a URL", "client_id: ", "client_secret: ", "master password: ")
YES = "this file? "


def without_credentials(surroundings: Surroundings) -> Surroundings:
    """Take credentials and server out of the environment, and with them any keyring."""
    for name in (*CREDENTIALS, "BWRUN_SERVER"):
        surroundings.environment.pop(name, None)
    surroundings.environment["PYTHON_KEYRING_BACKEND"] = NO_KEYRING
    return surroundings


def all_of(account: Account, server: str) -> list[tuple[str, str]]:
    """Return the four questions, and the answers for an account."""
    answers = (server, account.client_id, account.client_secret, account.master_password)
    return list(zip(QUESTIONS, answers, strict=True))


def log_in(surroundings: Surroundings, answers: list[tuple[str, str]], *words: str | Path) -> tuple[int, str]:
    """
    Run `bwrun --login WORDS…` on a terminal, and type each answer when its question is shown; return status and screen.

    A question that comes again is shown once more often.
    """
    words = ("--login", *words)
    with Terminal.start([BWRUN, *words], surroundings.environment, surroundings.work) as terminal:
        asked: dict[str, int] = {}
        for question, answer in answers:
            asked[question] = asked.get(question, 0) + 1
            terminal.wait_for(question, times=asked[question])
            terminal.type(answer + "\n")
        return terminal.ended(), terminal.screen


def write_kept(home: Path, *accounts: Account, server: str, profiles: tuple[str, ...] = ("default",)) -> Path:
    """Write the file as `bwrun --login` does, with a profile for each account; return its path."""
    path = home / FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    entries = {
        name: {
            "server": {"base": server, "identity": f"{server}/identity", "api": f"{server}/api"},
            "account": account.email,
            "client_id": account.client_id,
            "client_secret": account.client_secret,
            "master_password": account.master_password,
        }
        for name, account in zip(profiles, accounts, strict=True)
    }
    return write_private(path, json.dumps({"version": 1, "profiles": entries}))


def change_kept(path: Path, **changes: object) -> None:
    """Change values of the profile `default` in the file; None removes one."""
    form = json.loads(path.read_text())
    merged = form["profiles"]["default"] | changes
    form["profiles"]["default"] = {name: value for name, value in merged.items() if value is not None}
    path.write_text(json.dumps(form))


def kept_in(path: Path) -> dict[str, Any]:
    """Return the entries of the file, by profile."""
    entries = json.loads(path.read_text())["profiles"]
    assert isinstance(entries, dict)
    return entries
