r"""
The formats of `--export`, each quoted so that its reader gets exactly the value.

- shell: POSIX sh 2.2.2, single quotes; read by `eval` in sh, bash, dash and zsh.
- dotenv: python-dotenv's parser, in the form that most other readers of env files read in the same way.
- docker: docker/cli:pkg/kvfile/kvfile.go: NAME=VALUE up to the end of the line, without quotes.
- github-env: actions/runner:src/Runner.Worker/FileCommandManager.cs: NAME<<DELIMITER, the value, DELIMITER.
- json: one object.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from bwrun.base.errors import FailedReferenceError, OutputError, UnresolvedReferencesError
from bwrun.injection.exporting import Exported
from bwrun.reports.tables import as_json
from bwrun.settings.variable_names import DIGITS, LETTERS

MAX_DOCKER_LINE = 64 * 1024  # bytes, of Go's bufio.Scanner (MaxScanTokenSize), with the end of the line
OTHER_FORMAT = "use another format; `json` can hold every text"
OF_GITHUB = ("GITHUB_", "RUNNER_")  # a step cannot set these (docs.github.com, workflow commands)

# Whoever can edit an item must not run code in the shell that evaluates the output; with --item, they choose names too.
# Integers of a shell: bash, ksh and zsh calculate what is assigned, and run the commands in `a[$(…)]`.  These are all
# that do so of the variables that bash 5.2, zsh 5.9 and mksh R59 set themselves, and others of their manuals.
INTEGERS = frozenset(
    (
        "ARGC", "BASHPID", "BAUD", "COLUMNS", "DIRSTACKSIZE", "EGID", "EPOCHREALTIME", "EPOCHSECONDS", "ERRNO",
        "EUID", "FUNCNEST", "GID", "HISTCMD", "HISTSIZE", "KEYTIMEOUT", "KSHEGID", "KSHGID", "KSHUID", "LINENO",
        "LINES", "LISTMAX", "LOGCHECK", "MAILCHECK", "OPTIND", "PERIOD", "PGRP", "PIPESTATUS", "PPID", "RANDOM",
        "REPORTMEMORY", "REPORTTIME", "SAVEHIST", "SECONDS", "SHLVL", "SRANDOM", "TMOUT", "TRY_BLOCK_ERROR",
        "TRY_BLOCK_INTERRUPT", "TTYIDLE", "UID", "USER_ID",
    )
)  # fmt: skip
# Prompts, in which shells run commands, a file that they read, and the lists of zsh that are PATH and the like.
CODE_OF_SHELLS = frozenset(
    (
        "PS0", "PS1", "PS2", "PS3", "PS4", "PROMPT", "PROMPT2", "PROMPT3", "PROMPT4", "RPROMPT", "RPROMPT2", "RPS1",
        "RPS2", "SPROMPT", "prompt", "PROMPT_COMMAND", "ENV", "path", "cdpath", "fpath", "mailpath", "module_path",
        "MAILPATH", "MODULE_PATH", "NULLCMD", "READNULLCMD", "FCEDIT",
    )
)  # fmt: skip
LISTS_OF_FUNCTIONS = "_functions"  # of zsh: precmd_functions and the like


class _UnfitError(Exception):
    """A value, or a name, that a format cannot hold; the argument says why."""


def render(form: str, exported: Exported) -> bytes:
    """
    Return the variables in the format `form`.

    Raises UnresolvedReferencesError: the format cannot hold some names or values; it contains all of them.
    """
    parts: dict[str, str] = {}
    failures = []
    for name, value in exported.values.items():
        try:
            parts[name] = _part(form, name, value)
        except _UnfitError as why:
            hint = "use `--export json`, or a run" if form == "shell" else OTHER_FORMAT
            failures.append(FailedReferenceError(name, OutputError("unfit-value", f"{why}", hint)))
    if failures:
        raise UnresolvedReferencesError(failures)
    if form == "json":
        return as_json(parts).encode("ascii")
    lines = [f"unset {name}\n" for name in exported.unset if _is_name(name)] if form == "shell" else []
    return "".join([*lines, *parts.values()]).encode("utf-8", "surrogateescape")


def _part(form: str, name: str, value: bytes) -> str:
    """Return the text for one variable; for json, the value alone. Raises _UnfitError."""
    if form != "json" and not _is_name(name):
        raise _UnfitError("the name has characters that only `--export json` can hold")
    if form == "shell":
        return _shell(name, value.decode("utf-8", "surrogateescape"))
    try:
        text = value.decode("utf-8")
        name.encode("utf-8")
    except UnicodeError:
        raise _UnfitError(f"the value is not UTF-8, which `--export {form}` needs") from None
    return FORMATS[form](name, text)


def _is_name(text: str) -> bool:
    """Return whether every shell takes the name."""
    return bool(text) and text[0] not in DIGITS and LETTERS.issuperset(text)


def _shell(name: str, value: str) -> str:
    if name in CODE_OF_SHELLS or name.endswith(LISTS_OF_FUNCTIONS):
        raise _UnfitError("shells take code from this variable")
    if name in INTEGERS and not (value and set(DIGITS).issuperset(value)):
        raise _UnfitError("the variable is a number of the shell, and the value is not")
    quoted = value.replace("'", "'\\''")
    return f"export {name}='{quoted}'\n"


def _dotenv(name: str, value: str) -> str:
    """Return a line of an env file: in single quotes, if there is no reason for double quotes."""
    if "${" in value:
        raise _UnfitError("the value contains `${`, which some readers of env files replace and others do not")
    if "\r" in value:  # python-dotenv reads files with universal newlines
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r")
        return f'{name}="{escaped}"\n'
    if "'" in value and not {'"', "\\", "$", "`"} & set(value):
        return f'{name}="{value}"\n'
    if "'" in value or "\\" in value:
        value = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{name}='{value}'\n"


def _docker(name: str, value: str) -> str:
    if "\n" in value:
        raise _UnfitError("the value has more than one line, and env files of docker have no quotes")
    if value.endswith("\r"):
        raise _UnfitError("the value ends with a carriage return, which docker takes for the end of the line")
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        raise _UnfitError("the value is in quotes, which some versions of docker remove and others do not")
    line = f"{name}={value}\n"
    if len(line.encode()) > MAX_DOCKER_LINE:
        raise _UnfitError(f"the line would have more than {MAX_DOCKER_LINE} bytes, the most that docker reads")
    return line


def _github_env(name: str, value: str) -> str:
    if name == "NODE_OPTIONS" or name.startswith(OF_GITHUB):
        raise _UnfitError("GitHub does not let a step set this variable")
    delimiter = f"END_{secrets.token_hex(16)}"
    while delimiter in value:  # nobody can know it beforehand
        delimiter = f"END_{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def _json(_: str, value: str) -> str:
    return value


FORMATS: Mapping[str, Callable[[str, str], str]] = {
    "dotenv": _dotenv,
    "shell": _shell,
    "json": _json,
    "docker": _docker,
    "github-env": _github_env,
}
