"""The formats of --export, each read back by the program that it is for: it must get exactly the value."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bwrun.base.errors import UnresolvedReferencesError
from bwrun.injection.exporting import Exported
from bwrun.reports.export_formats import FORMATS, render
from bwrun.settings.env_files import read_env_file
from bwrun.settings.misfits import EXPORT_FORMATS
from tests.support import needs
from tests.support.docker_api import variables_of

ODD = {
    "EMPTY": "",
    "PLAIN": "p4ss",
    "SPACES": "  a  b  ",
    "SINGLE": "it's",
    "DOUBLE": 'say "x"',
    "BOTH": "'\"'\"''",
    "QUOTED": "x'quoted'",
    "BACKSLASH": "a\\b\\\\c\\nd",
    "AT_THE_END": "a\\",
    "BEFORE_A_QUOTE": "\\'",
    "DOLLAR": "$HOME $(id) `id` $$ $",
    "SIGNS": "#!=%^&*()[]{}<>|;?~ # no comment",
    "ACCENTS": "grüße € 🔑",
    "EQUALS": "A=B",
    "TAB": "\ta\t",
    "ESCAPE": "\x1b[2J\x07\x7f",
}
LINES = {
    "TWO_LINES": "a\nb\n",
    "NEWLINE": "\n",
    "WINDOWS": "a\r\nb\r\n",
    "RETURN": "a\r'b\\\"",
    "DELIMITER": "x\nEND\nA<<END\n",
}
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30) | st.text(
    st.sampled_from("'\"\\$`{}#= \n\r\tab!"), max_size=20
)
SEVERAL = st.lists(TEXTS, min_size=1, max_size=4)
FEW = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)


def rendered(form: str, values: dict[str, str]) -> bytes:
    """Return the text of `--export FORM` for these values."""
    return render(form, Exported({name: value.encode() for name, value in values.items()}, ()))


def problems(form: str, values: dict[str, bytes]) -> list[str]:
    """Return the names of the variables that the format refuses."""
    with pytest.raises(UnresolvedReferencesError) as caught:
        render(form, Exported(values, ()))
    assert {failure.code for failure in caught.value.failures} == {"output.unfit-value"}
    return [failure.name for failure in caught.value.failures]


def named(values: list[str]) -> dict[str, str]:
    """Return values under names."""
    return {f"V{number}": value for number, value in enumerate(values)}


# shell ----------------------------------------------------------------------------------------------------------------


def evaluated(shell: str, text: bytes) -> dict[bytes, bytes]:
    """Return the variables of a shell, without any at first, that has evaluated a text."""
    path = needs.program(shell, f"the shell {shell} is not installed")
    script = 'eval "$(cat)"; exec env -0'
    done = subprocess.run(
        [path, "-c", script], input=text, check=True, capture_output=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.stderr == b""
    return dict(entry.split(b"=", 1) for entry in done.stdout.split(b"\0") if entry)


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_shell(shell: str) -> None:
    """Each shell gets each value, bytes that are no text among them."""
    values = {name: value.encode() for name, value in {**ODD, **LINES}.items()} | {"BYTES": b"\xff\xfe'\x80"}
    got = evaluated(shell, render("shell", Exported(values, ())))

    assert {name.encode(): value for name, value in values.items()}.items() <= got.items()


@FEW
@given(SEVERAL)
def test_shell_gets_any_text(values: list[str]) -> None:
    """Whatever the values are, a shell gets them."""
    got = evaluated("sh", rendered("shell", named(values)))

    assert {name.encode(): value.encode() for name, value in named(values).items()}.items() <= got.items()


def test_shell_unsets() -> None:
    """What a command would not have, the shell has no longer; other formats cannot say that."""
    exported = Exported({"A": b"1"}, ("PATH_OF_X", "not a name"))

    assert render("shell", exported) == b"unset PATH_OF_X\nexport A='1'\n"
    assert render("dotenv", exported) == b"A='1'\n"


def test_shell_refuses() -> None:
    """What a shell calculates, or takes for code, is refused: it could run a command that stands in an item."""
    evil = b"a[$(touch evil)]"
    names = ["COLUMNS", "LINES", "SECONDS", "PS1", "PROMPT", "path", "precmd_functions", "ENV"]

    assert problems("shell", {"A": evil, **dict.fromkeys(names, evil)}) == names
    assert problems("shell", {"LINES": b"", "UID": b"1+1"}) == ["LINES", "UID"]
    assert rendered("shell", {"LINES": "50"}) == b"export LINES='50'\n"


EVIL = {  # in these, the shell runs what is assigned, or what its prompt shows
    "bash": ("x[$(touch evil)]", ("RANDOM", "OPTIND", "HISTCMD", "PS1")),
    "zsh": ("path[$(touch evil)1]", ("COLUMNS", "HISTSIZE", "SECONDS", "UID", "PS1")),
    "mksh": ("x[$(touch evil)]", ("COLUMNS", "SECONDS", "KSHGID", "USER_ID", "PS1")),
}
SHOW_PROMPT = {
    "bash": ': "${PS1@P}"',
    "zsh": 'setopt promptsubst; print -P -- "$PS1"',
    "mksh": ': "${ eval "echo $PS1"; }"',
}


@pytest.mark.parametrize(("shell", "name"), [(shell, name) for shell, (_, names) in EVIL.items() for name in names])
def test_no_value_runs_a_command(shell: str, name: str, tmp_path: Path) -> None:
    """A value that a shell would run under this name is refused, and under another name it runs nothing."""
    path = needs.program(shell, f"the shell {shell} is not installed")
    value = EVIL[shell][0]

    def runs(text: str) -> bool:
        script = f'eval "$(cat)"; {SHOW_PROMPT[shell]}'
        subprocess.run([path, "-c", script], input=text.encode(), check=False, cwd=tmp_path, capture_output=True)
        found = [one.name for one in tmp_path.iterdir()]
        (tmp_path / "evil").unlink(missing_ok=True)
        return found == ["evil"]

    assert problems("shell", {name: value.encode()}) == [name]
    assert runs(f"export {name}='{value}'\n")
    assert not runs(rendered("shell", {"A": value}).decode())


# dotenv ---------------------------------------------------------------------------------------------------------------


def test_dotenv(tmp_path: Path) -> None:
    """python-dotenv gets each value, and so does bwrun."""
    values = {**ODD, **LINES}
    path = tmp_path / "env"
    path.write_bytes(rendered("dotenv", values))
    path.chmod(0o600)

    assert dotenv_values(path) == values
    assert dict(read_env_file(str(path)).values) == values


@FEW
@given(values=SEVERAL)
def test_dotenv_gets_any_text(values: list[str], tmp_path: Path) -> None:
    """Whatever the values are, python-dotenv gets them, or they are refused."""
    path = tmp_path / "env"
    refused = [name for name, value in named(values).items() if "${" in value]
    if refused:
        assert problems("dotenv", {name: value.encode() for name, value in named(values).items()}) == refused
        return
    path.write_bytes(rendered("dotenv", named(values)))

    assert dotenv_values(path) == named(values)


@pytest.mark.parametrize(
    ("value", "line"), [("p4ss", "'p4ss'"), ("it's", '"it\'s"'), ("a\\b c#d", "'a\\\\b c#d'"), ('a"b', "'a\"b'")]
)
def test_dotenv_line(value: str, line: str) -> None:
    """A value is in single quotes, or in double quotes if it needs no backslash there: most readers agree on these."""
    assert rendered("dotenv", {"A": value}) == f"A={line}\n".encode()


# docker ---------------------------------------------------------------------------------------------------------------


def test_docker(tmp_path: Path) -> None:
    """The client of docker gets each value; a carriage return in the middle and the longest line are no trouble."""
    values = {
        **{name: value for name, value in ODD.items() if name != "BOTH"},
        "MIDDLE": "a\rb",
        "LONG": "x" * (65_536 - 6),
    }
    path = tmp_path / "env"
    path.write_bytes(rendered("docker", values))
    folder = tmp_path / "d"
    folder.mkdir()

    assert variables_of(path, folder) == values


def test_docker_refuses() -> None:
    """What docker cannot read, or not in each version, is refused by name."""
    values = {
        "A": b"a\nb",
        "B": b"\n",
        "C": b"a\r",
        "D": b"'a'",
        "E": b'""',
        "F": b"x" * (65_536 - 2),
        "G": b"\xff",
        "H": b"'",
    }

    assert problems("docker", values) == ["A", "B", "C", "D", "E", "F", "G"]


# github-env -----------------------------------------------------------------------------------------------------------


def read_by_runner(text: str) -> dict[str, str]:
    """Return what GitHub's runner reads (actions/runner:src/Runner.Worker/FileCommandManager.cs, on Linux)."""
    found = {}
    lines = iter(text.removesuffix("\n").split("\n"))
    for line in lines:
        name, mark, delimiter = line.partition("<<")
        assert name.isidentifier()
        assert mark
        assert delimiter
        value = []
        for inner in lines:
            if inner == delimiter:
                break
            value.append(inner)
        else:
            pytest.fail("no delimiter")
        found[name] = "\n".join(value)
    return found


@FEW
@given(SEVERAL)
def test_github_env_gets_any_text(values: list[str]) -> None:
    """Whatever the values are, the runner gets them."""
    assert read_by_runner(rendered("github-env", named(values)).decode()) == named(values)


def test_github_env() -> None:
    """The runner gets each value, and nobody can guess a delimiter."""
    text = rendered("github-env", {**ODD, **LINES}).decode()
    delimiters = [line.partition("<<")[2] for line in text.split("\n") if "<<END_" in line]

    assert read_by_runner(text) == {**ODD, **LINES}
    assert len(set(delimiters)) == len(delimiters) == len(ODD) + len(LINES)
    assert all(len(delimiter) == len("END_") + 32 for delimiter in delimiters)


def test_github_env_refuses() -> None:
    """What a step may not set, and what is no text, is refused by name."""
    names = ["A", "GITHUB_TOKEN", "NODE_OPTIONS", "RUNNER_OS", "B"]

    assert problems("github-env", dict.fromkeys(names, b"x") | {"B": b"\xff"}) == names[1:]


# json, and all --------------------------------------------------------------------------------------------------------


def test_json() -> None:
    """One object, in ASCII, with any name."""
    values = {**ODD, **LINES, "my-var.x": "1"}

    assert json.loads(rendered("json", values).decode("ascii")) == values
    assert problems("json", {"A": b"\xff"}) == ["A"]


@pytest.mark.parametrize("form", FORMATS)
def test_names(form: str) -> None:
    """A name that not every shell takes is refused, except in JSON; nothing to print is an empty text."""
    values = {"my-var": b"1", "A": b"1", "1A": b"1", "É": b"1", "A B": b"1"}
    if form == "json":
        assert json.loads(render(form, Exported(values, ()))) == dict.fromkeys(values, "1")
    else:
        assert problems(form, values) == ["my-var", "1A", "É", "A B"]
    assert render(form, Exported({}, ())) == (b"{}\n" if form == "json" else b"")


def test_formats() -> None:
    """The formats that the command line takes are those that there are."""
    assert tuple(FORMATS) == EXPORT_FORMATS
