"""docs/recipes/nomad.md: the job is HCL, and its task does what the page says when Nomad's part is done for it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.hcl import read_hcl
from tests.support.pages import page
from tests.support.program import BWRUN, Surroundings
from tests.support.user_keys import text_of

PAGE = page("docs/recipes/nomad.md")
# All that the recipe's templates use of Go's template language.
TEMPLATE = re.compile(r'\{\{ with nomadVar "([\w/]+)" \}\}\{\{ \.(\w+) \}\}\{\{ end \}\}')


@cache
def job() -> Any:  # noqa: ANN401  (what a job holds)
    """Return the job."""
    (found,) = read_hcl(PAGE.files()["nightly.nomad.hcl"])["job"]
    return found["nightly"]


def task() -> Any:  # noqa: ANN401  (what a task holds)
    """Return its only task."""
    (group,) = job()["group"]
    (found,) = group["nightly"]["task"]
    return found["nightly"]


def seconds(text: str) -> int:
    """Return a time of Nomad's in seconds."""
    return int(text.removesuffix("s"))


def test_parts_fit_together() -> None:
    """The variables are those that the page stores, and the times allow for clearing."""
    (config,) = task()["config"]
    words = config["args"]
    stored = re.search(r"nomad var put -out=none (\S+) (.*)", PAGE.text)
    used = [TEMPLATE.fullmatch(template["data"].replace('\\"', '"')) for template in task()["template"]]

    assert stored is not None
    assert {match and (match[1], match[2]) for match in used} == {
        (stored[1], pair.partition("=")[0]) for pair in stored[2].split()
    }
    assert job()["type"] == "batch"
    assert all(word.startswith("/usr/") for word in (config["command"], *words) if word.startswith("/")), (
        "not in chroot"
    )
    assert int(words[words.index("--kill-after") + 1]) < seconds(task()["kill_timeout"]) <= 30


def test_parser_sees_mistakes() -> None:
    """A file with a mistake in it is not read, so the parser says something."""
    with pytest.raises(ValueError, match="Unexpected token"):
        read_hcl('job "nightly" {\n  type = \n}\n')


def test_task(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """The task runs with the files that the templates give and the variables of the job, and does not log the value."""
    secrets = run_in.home / "secrets"
    secrets.mkdir()
    values = {"clientid": vault.client_id, "clientsecret": vault.client_secret, "user_key": text_of(vault)}
    for template in task()["template"]:
        path = Path(template["destination"].replace("${NOMAD_SECRETS_DIR}", str(secrets)))
        path.write_text(TEMPLATE.sub(lambda match: values[match[2]], template["data"].replace('\\"', '"')))
        path.chmod(int(template["perms"], 8))
    program = run_in.work / "nightly"
    program.write_text(
        '#!/bin/sh\ntest "$DB_PASSWORD" = p4ss-of-prod-db && echo "$DB_PASSWORD ${BW_SESSION-no session}"\n'
    )
    program.chmod(0o700)
    (config,) = task()["config"]
    (block,) = task()["env"]
    environment = {
        name: value.replace("${NOMAD_SECRETS_DIR}", str(secrets)).replace("https://vault.example.com", server.url)
        for name, value in block.items()
        if not name.startswith("__")  # the parser's own
    }
    own = {"BW_CLIENTID": None, "BW_CLIENTSECRET": None, "BW_PASSWORD": None}
    places = {"/usr/local/bin/nightly": str(program), "60": "0.1"}  # nobody waits a minute for an example

    assert config["command"] == f"/usr/local/bin/{BWRUN.name}"
    done = run_in.run(*(places.get(word, word) for word in config["args"]), env=own | environment)

    assert (done.status, done.stdout, done.stderr) == (0, "<concealed by bwrun> no session\n", "")
