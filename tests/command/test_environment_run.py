"""What the command gets: its environment, its words, and the file that its name means."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.files import write_private
from tests.support.program import BWRUN, Ended, Surroundings

SESSION = {"BW_SESSION", "BITWARDENCLI_APPDATA_DIR", "NODE_EXTRA_CA_CERTS"}
SHOW_ALL = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(n + b'=' + v for n, v in os.environb.items()))"


def shown(done: Ended) -> dict[str, str]:
    """Return the environment that the command showed with SHOW_ALL."""
    assert (done.status, done.stderr) == (0, "")
    entries = [entry.partition("=") for entry in done.stdout.split("\0")]
    return {name: value for name, _, value in entries if name != "LC_CTYPE"}  # Python adds that to its own


def test_the_whole_environment(ready: Surroundings, account: Account) -> None:
    """The command gets what was inherited, less what is bwrun's, plus the env files' entries and the session."""
    write_private(
        ready.work / ".env",
        f"BW_PASSWORD='{account.master_password}'",
        "ADDED=by the file",
        "KEPT=by the file",
        "EMPTY=by the file",
        "BW_SESSION=by the file",
        "BW_PASSWORD_OF_MINE=not bwrun's",
    )
    write_private(ready.work / "id", account.client_id)
    changes: dict[str, str | None] = {
        "BW_CLIENTID": None,
        "BW_CLIENTID_FILE": "id",
        "BW_PASSWORD": None,
        "BWRUN_TIMEOUT": "50",
        "BWRUN_VERBOSE": "0",
        "KEPT": "by the environment",
        "EMPTY": "",
        "BYTES": "\udcff\udcfe",
        "BITWARDENCLI_APPDATA_DIR": "/somewhere/else",
    }

    environment = shown(ready.run("--", "python3", "-c", SHOW_ALL, env=changes))

    session = {name: environment.pop(name) for name in SESSION}
    inherited = {n: v for n, v in ready.environment.items() if not n.startswith(("BW_", "BWRUN_"))}
    assert environment == inherited | {
        "ADDED": "by the file",
        "KEPT": "by the environment",
        "EMPTY": "",
        "BYTES": "\udcff\udcfe",
        "BW_PASSWORD_OF_MINE": "not bwrun's",
    }
    assert session["NODE_EXTRA_CA_CERTS"] == ready.environment["SSL_CERT_FILE"]
    assert Path(session["BITWARDENCLI_APPDATA_DIR"]).parent == ready.runtime
    assert len(session["BW_SESSION"]) == 88  # 64 bytes as Base64


@pytest.mark.parametrize("way", ["option", "variable"])
def test_pass(ready: Surroundings, account: Account, way: str) -> None:
    """--pass leaves what it names to the command, from the environment or an env file, and nothing else."""
    write_private(
        ready.work / ".env", f"BW_PASSWORD='{account.master_password}'", f"BW_CLIENTSECRET={account.client_secret}"
    )
    words = ["--pass", "BW_CLIENTID", "--pass=BW_PASSWORD", "--pass", "BWRUN_TIMEOUT"] if way == "option" else []
    changes: dict[str, str | None] = {"BW_CLIENTSECRET": None, "BW_PASSWORD": None, "BWRUN_TIMEOUT": "50"}
    changes |= {"BWRUN_PASS": "BW_CLIENTID,BW_PASSWORD BWRUN_TIMEOUT"} if way == "variable" else {}

    environment = shown(ready.run(*words, "--", "python3", "-c", SHOW_ALL, env=changes))

    assert {n: v for n, v in environment.items() if n.startswith(("BW_", "BWRUN_")) and n not in SESSION} == {
        "BW_CLIENTID": account.client_id,
        "BW_PASSWORD": account.master_password,
        "BWRUN_TIMEOUT": "50",
    }


@pytest.mark.parametrize("name", ["HOME", "BW_SESSION", "BW_CLIENTI", ""])
def test_pass_of_what_is_not_taken_away(bare: Surroundings, name: str) -> None:
    """--pass with a name that bwrun does not take away is a mistake, not a wish that does nothing."""
    done = bare.run("--pass", name, "--", "true")

    assert (done.status, done.codes) == (125, ["usage.pass"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, set()), ({"LC_CTYPE": "C"}, {"LC_CTYPE=C"}), ({"LC_ALL": "C"}, {"LC_ALL=C"})],
    ids=str,
)
def test_nothing_is_added_of_pythons_own(
    ready: Surroundings, account: Account, server: BitwardenServer, given: dict[str, str], expected: set[str]
) -> None:
    """Even where the environment is empty, the command gets no variable that Python sets for itself."""
    write_private(
        ready.work / "all",
        f"BW_CLIENTID={account.client_id}",
        f"BW_CLIENTSECRET={account.client_secret}",
        f"BW_PASSWORD='{account.master_password}'",
        f"BWRUN_SERVER={server.url}",
        f"BWRUN_CA_FILE={server.ca_file}",
        "NON_ASCII=grün",
    )
    done = subprocess.run(
        [BWRUN, "--env-file", "all", "--", "env"],
        check=False,
        env=given,
        cwd=ready.work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    lines = done.stdout.decode().splitlines()

    assert (done.returncode, done.stderr) == (0, b"")
    assert {line for line in lines if line.partition("=")[0] not in SESSION} == expected | {"NON_ASCII=grün"}


def test_pythonpath_is_the_commands(ready: Surroundings) -> None:
    """PYTHONPATH is meant for the command: no module there stands in for one that bwrun needs."""
    for module in ("httpx", "dotenv", "cryptography", "subprocess", "ssl", "psutil"):
        (ready.work / f"{module}.py").write_text("raise SystemExit('sabotage')")
    write_private(ready.work / ".env", "ENTRY=1")
    environment = {"PYTHONPATH": str(ready.work)}

    done = ready.run("--", "sh", "-c", "echo $PYTHONPATH", env=environment)

    assert done == Ended(0, f"{ready.work}\n", "")


def test_words_that_are_no_utf8(ready: Surroundings) -> None:
    """The command's words arrive byte by byte."""
    expected = [b"-c", b"gr\xfcn", "grün".encode(), b"", b"a\nb"]

    show = "import os, sys; print([os.fsencode(word) for word in sys.argv])"
    done = ready.run("--", "python3", "-c", show, "gr\udcfcn", "grün", "", "a\nb")

    assert done == Ended(0, f"{expected}\n", "")


# The file that the command's name means.


def script(path: Path, text: str, mode: int = 0o700) -> Path:
    """Write a script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_path_of_the_environment_wins(ready: Surroundings) -> None:
    """The command is found on the PATH it will have: that of the environment, even if an env file has another."""
    script(ready.work / "bin" / "tool", "#!/bin/sh\necho environment")
    script(ready.work / "other" / "tool", "#!/bin/sh\necho file")
    write_private(ready.work / ".env", f"PATH={ready.work}/other")

    assert ready.run("--", "tool", env={"PATH": f"{ready.work}/bin"}) == Ended(0, "environment\n", "")


def test_path_of_an_env_file(ready: Surroundings) -> None:
    """Where the environment has no PATH, that of an env file is searched, and is the command's."""
    script(ready.work / "bin" / "tool", "#!/bin/sh\necho $PATH")
    write_private(ready.work / ".env", f"PATH={ready.work}/bin")

    assert ready.run("--env-file", ".env", "--", "tool", env={"PATH": None}) == Ended(0, f"{ready.work}/bin\n", "")


def test_search_goes_on_as_execvp_does(ready: Surroundings) -> None:
    """The search goes on past what is no directory, no file or not executable; an empty element is here."""
    first = script(ready.work / "first" / "tool", "", mode=0o600).parent
    (ready.work / "second" / "tool").mkdir(parents=True)
    script(ready.work / "tool", "echo here $#")  # no #!: for /bin/sh

    done = ready.run("--", "tool", "one", "two", env={"PATH": f"{first}/tool:{first}:{ready.work}/second::/bin"})

    assert done == Ended(0, "here 2\n", "")


@pytest.mark.parametrize(
    ("word", "status", "lines"),
    [
        ("nope", 127, ["cannot run `nope`: not found on PATH [command.not-found]"]),
        ("./nope", 127, ["cannot run `./nope`: no such file [command.not-found]"]),
        ("", 127, ["the command's name is empty [command.not-found]"]),
        ("plain/nope", 126, ["cannot run `plain/nope`: Not a directory [command.not-executable]"]),
        ("./folder", 126, ["cannot run `./folder`: it is a directory [command.is-directory]"]),
        ("./plain", 126, ["cannot run `./plain`: it is not executable [command.not-executable]",
                           "run `chmod +x ./plain`"]),
        ("plain", 126, ["cannot run `plain`: it is not executable [command.not-executable]", "run `chmod +x ~/plain`"]),
        (
            "lost", 127,
            ["cannot run `lost`: its interpreter `/nope/sh` does not exist [command.no-interpreter]",
             "install the interpreter, or correct the script's first line"],
        ),
        (
            "windows", 127,
            ["cannot run `windows`: its interpreter `/bin/sh` does not exist [command.no-interpreter]",
             "convert the script's Windows line endings (CRLF) to Unix ones (LF)"],
        ),
        (
            "pyhton", 127,
            ["cannot run `pyhton`: not found on PATH [command.not-found]"],
        ),
        ("loop", 126, ["cannot run `./loop`: Too many levels of symbolic links [command.not-executable]"]),
    ],
)  # fmt: skip
def test_cannot_be_run(ready: Surroundings, server: BitwardenServer, word: str, status: int, lines: list[str]) -> None:
    """A command that cannot be run is told from one that is not there, with the reason, before any request."""
    script(ready.work / "plain", "", mode=0o600)
    (ready.work / "folder").mkdir()
    script(ready.work / "lost", "#! /nope/sh -e\n")
    script(ready.work / "windows", "#!/bin/sh\r\ntrue\r\n")
    (ready.work / "loop").symlink_to("loop")
    word = "./loop" if word == "loop" else word

    done = ready.run("--", word, "canary", env={"PATH": f"{ready.work}:/etc/passwd:/bin"})

    expected = [line.replace("~", str(ready.work)) for line in lines]
    assert (done.status, done.stdout) == (status, "")
    assert done.stderr.splitlines() == [f"bwrun: error: {expected[0]}", *(f"bwrun: hint: {h}" for h in expected[1:])]
    assert server.requests() == []


def test_not_for_this_machine(ready: Surroundings) -> None:
    """A binary that the kernel refuses is not handed to a shell, and the session is gone all the same."""
    (ready.work / "broken").write_bytes(b"\x7fELF\0\0\0\0")
    (ready.work / "broken").chmod(0o700)

    assert ready.run("--", "./broken") == Ended(
        126,
        "",
        "bwrun: error: cannot run `./broken`: it is not a program for this machine [command.exec-format]\n",
    )
    assert ready.left() == []


def test_script_without_a_first_line(ready: Surroundings) -> None:
    """A script without `#!` is run by /bin/sh, as a shell would."""
    script(ready.work / "tool", 'echo "$0" "$@"; exit 3\n')

    assert ready.run("--", "./tool", "a b", "--") == Ended(3, "./tool a b --\n", "")
