"""Every command line in the documentation runs, and prints what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import OFFICIAL_BW, short_runtime
from tests.server.control import Account, BitwardenServer
from tests.support.example_vault import EXAMPLES, SERVER, credentials, prepare
from tests.support.files import write_private
from tests.support.needs import program
from tests.support.openssh import tool
from tests.support.pages import LANGUAGES, ROOT, Example, Step, pages
from tests.support.program import BWRUN, TIMEOUT, Surroundings
from tests.support.user_keys import text_of

GATEWAY = "needs such a server; tests/network/test_gateway.py has one"
# Command lines that are not run, each with the reason.
NOT_RUN = {
    "pipx install .": "installs into the home directory; `make smoke` installs the package",
    "uv tool install .": "the same",
    "python3 -m venv ~/.local/bwrun && ~/.local/bwrun/bin/pip install .": "the same",
    "sudo python3 -m venv /opt/bwrun": "installs for all users; tests/recipes has it there",
    "sudo /opt/bwrun/bin/pip install .": "the same",
    "bwrun --client-cert client.pem --client-key client.key -- make deploy": GATEWAY,
    "bwrun --header-file headers -- make deploy": GATEWAY,
    "bwrun --print-user-key": "asks on a terminal; tests/credentials/test_print_user_key.py has one",
}
ASKS = "asks on a terminal; tests/credentials/test_login.py has one"
NOT_RUN |= dict.fromkeys(
    (
        "bwrun --login",
        "bwrun --profile work --login",
        "PYTHON_KEYRING_BACKEND=keyring.backends.fail.Keyring bwrun --login",
    ),
    ASKS,
)
RECIPES = ("pass ", "secret-tool ", "age", "systemd-creds ", "security ", "printf %s ")  # as their commands begin
RECIPE = "needs such a tool, set up; tests/credentials/test_recipes.py has each"
EXAMPLES_OF_PAGES = [example for page in pages() for example in page.examples()]


@pytest.fixture(scope="module")
def example_account(server: BitwardenServer) -> Account:
    """Make the account whose items the pages name."""
    return server.add_account(EXAMPLES)


@pytest.fixture
def reader(bare: Surroundings, server: BitwardenServer, example_account: Account) -> Iterator[Surroundings]:
    """Give the surroundings of somebody who follows the examples."""
    bare.environment |= {
        "PATH": os.pathsep.join((str(BWRUN.parent), str(OFFICIAL_BW.parent), os.environ["PATH"])),
        "SSL_CERT_FILE": str(server.ca_file),
        "GITHUB_ENV": str(bare.work / "github-env"),  # as in a step of GitHub Actions
    }
    server.clear_faults()
    prepare(bare, server, example_account)
    with short_runtime(bare):
        bare.environment["BWRUN_RUNTIME_DIR"] = str(bare.runtime)
        yield bare


@pytest.mark.parametrize("example", EXAMPLES_OF_PAGES, ids=lambda example: example.place)
def test_example(
    example: Example, reader: Surroundings, server: BitwardenServer, example_account: Account,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    """The commands of one example succeed, one after the other, and print what the page shows below them."""
    if any("-- bw " in step.command for step in example.steps):
        request.getfixturevalue("official_bw")
    if any("--ssh-key" in step.command for step in example.steps):
        tool("ssh-agent")
    if any(step.command.startswith("direnv ") for step in example.steps):
        program("direnv", "direnv is not installed")
    for step in example.steps:
        shown = re.fullmatch(r"cat (\S+)", step.command)
        if shown is not None:
            show_file(shown[1], step.output, reader, server, example_account)
        elif step.command not in NOT_RUN and not is_recipe(step.command):
            run(step, reader, server)


def show_file(name: str, text: str, reader: Surroundings, server: BitwardenServer, account: Account) -> None:
    """Write the file that a page shows: the account's credentials stand in for those that the page leaves out."""
    own = dict(line.split("=", 1) for line in credentials(account).splitlines())
    own["BWRUN_USER_KEY"] = text_of(account)
    text = re.sub(r"^(BW_\w+|BWRUN_USER_KEY)=.*$", lambda line: f"{line[1]}={own[line[1]]}", text, flags=re.MULTILINE)
    write_private(reader.work / name, text.replace(SERVER, server.url), newline="")
    if name == ".env":  # what the reader has not in the file is in the environment
        if "BW_CLIENTSECRET" not in text:
            reader.use(server, account)
        elif "BWRUN_SERVER" not in text:
            reader.use(server)


def is_recipe(command: str) -> bool:
    """Return whether a command line is of a recipe of docs/credentials.md, for a tool that has to be set up."""
    return command.startswith(RECIPES) or any(f"-command '{tool}" in command for tool in RECIPES)


def run(step: Step, reader: Surroundings, server: BitwardenServer) -> None:
    """Run a command line; its status must be 0, and its output what the page shows, if it shows any."""
    command, folder = step.command, reader.work
    own = "\n".join(path.read_text() for path in reader.work.glob("Makefile"))
    if command.startswith("make ") and not any(f"{word}:" in own for word in command.split()):
        # Our own Makefile: its targets run the tests, among others, so only what they would do is looked at.
        command, folder = f"make --dry-run {command.removeprefix('make ')}", ROOT
    command = command.replace("--jitter 60", "--jitter 0.1")  # nobody waits a minute for an example
    done = subprocess.run(
        ["sh", "-c", command.replace(SERVER, server.url)],
        check=False,
        cwd=folder,
        env=reader.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=TIMEOUT,
        start_new_session=True,
    )

    assert done.returncode == 0, f"{step.command}\n{done.stdout}"
    if step.output:
        assert re.fullmatch(pattern(step.output), done.stdout.rstrip("\n")), f"{step.command}\n{done.stdout}"


def pattern(shown: str) -> str:
    """Return the pattern of what a page shows: `…` is any text, a line of nothing else any lines."""
    lines = [".*" if line == "…" else re.escape(line).replace("…", "[^\n]*") for line in shown.rstrip("\n").split("\n")]
    return "(?s:" + "\n".join(lines) + ")"


def test_commands_are_where_they_are_looked_for() -> None:
    """No page has blocks in another language, in which a command line would not be found."""
    assert {page.name: page.languages() - LANGUAGES for page in pages()} == {page.name: set() for page in pages()}


def test_list_of_commands_that_are_not_run() -> None:
    """Every command line in the list is in a page."""
    commands = {step.command for example in EXAMPLES_OF_PAGES for step in example.steps}

    assert len(commands) > 40
    assert NOT_RUN.keys() <= commands
