"""`--doctor`: what each step of a run finds, with the real program against a real server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import CANARY, CHEAP
from tests.server.json_types import Json
from tests.server.specs import AccountSpec, FieldSpec, ItemSpec, Login
from tests.support.program import Ended, Surroundings

# Every name and value of the vault holds CANARY, so nothing of it can be shown unseen.
VAULT = AccountSpec(
    "doctor@example.com",
    f"master {CANARY}",
    kdf=CHEAP,
    items=(
        ItemSpec(f"item {CANARY}", Login(f"user {CANARY}", f"password {CANARY}")),
        ItemSpec(f"other {CANARY}", fields=(FieldSpec("token", CANARY, 1),), notes=f"-----BEGIN {CANARY}-----"),
    ),
)
STEPS = (
    "settings", "env-files", "command", "plan", "directory", "memory", "kept", "servers", "credentials", "proxy", "dns",
    "tcp", "tls", "server", "clock", "waits", "login", "sync", "unlock", "references", "cache", "session", "bw",
)  # fmt: skip
# A program in place of the official CLI: it gets the session and no credential, and reads what is asked for.
ACCEPTS = """\
test -z "$BW_PASSWORD$BW_CLIENTSECRET$BW_CLIENTID" || exit 9
test "$BW_NOINTERACTION" = true || exit 9
case "$1" in
    --version) echo 2099.1.0 ;;
    list) test -s "$BITWARDENCLI_APPDATA_DIR/data.json" && test "$BW_SESSION" && echo "[]" ;;
esac
"""
REFUSES = """case "$1" in --version) echo 1.2.3 ;; status) echo '{"status": "locked"}' ;; list) exit 1 ;; esac"""


@dataclass(frozen=True)
class Examined:
    """A report as JSON, and how bwrun ended."""

    ended: Ended
    report: Json

    def __getitem__(self, name: str) -> Json:
        """Return the step of that name."""
        (found,) = [step for step in self.report["steps"] if step["name"] == name]
        step: Json = found
        return step

    @property
    def statuses(self) -> dict[str, str]:
        """Return how each step ended, by its name."""
        return {step["name"]: step["status"] for step in self.report["steps"]}

    def named(self, status: str) -> list[str]:
        """Return the names of the steps that ended so."""
        return [name for name, one in self.statuses.items() if one == status]

    def codes(self, name: str) -> list[str]:
        """Return the codes of the errors of a step."""
        return [message["code"] for message in self[name]["messages"] if message["kind"] == "error"]


def examine(
    surroundings: Surroundings, *words: str | Path, env: Mapping[str, str | None] | None = None, works: bool = False
) -> Examined:
    """Run `bwrun --doctor --json WORDS…`; no secret may be shown, and nothing may be left."""
    ended = surroundings.run("--doctor", "--json", *words, env=env)

    assert CANARY not in ended.stdout + ended.stderr
    assert surroundings.left() == []
    found = Examined(ended, json.loads(ended.stdout))
    assert (found.report["works"], found.report["status"]) == (works, ended.status)
    assert (ended.status == 0) == works
    return found


def put_program(folder: Path, name: str, text: str) -> Path:
    """Write a program in the language of the shell into a new folder; return the folder."""
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\n{text}")
    (folder / name).chmod(0o755)
    return folder
