"""
Finding the command as execvp(3) does, and replacing this process by it.

`find_command()` is called before the first request, so that a missing file, a missing interpreter, a directory or a
file that is not executable is an error before the user is asked for anything.
"""

from __future__ import annotations

import errno
import os

from bwrun.base.errors import CommandError, CommandNotExecutableError, CommandNotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

DEFAULT_PATH = b"/bin:/usr/bin"  # execvp(3) searches it if PATH is not set
# Bytes. The kernel allows a quarter of the stack's limit, but no less and no more than these (fs/exec.c).
MIN_SIZE, MAX_SIZE = 128 * 1024, 6 * 1024 * 1024
# What the first word is for other tools, and what to write here. A program of that name on PATH is run, as any other.
OPTIONS_THAT_ARE_COMMANDS_ELSEWHERE = {"check", "clean", "doctor", "login", "logout", "version"}
IN_OTHER_TOOLS = {
    "run": "leave out `run`: write `bwrun -- COMMAND`, e.g. `bwrun -- make deploy`",
    "exec": "leave out `exec`: write `bwrun -- COMMAND`, e.g. `bwrun -- make deploy`",
    "help": "run `bwrun --help` to see how bwrun is used",
    "completion": "write `bwrun --completion SHELL`; SHELL is bash, zsh or fish",
    "export": "write `bwrun --export FORMAT`, e.g. `bwrun --export dotenv`",
    "get": "write `bwrun --get REFERENCE`, e.g. `bwrun --get bw://prod-db/password`",
    "read": "write `bwrun --get REFERENCE`, e.g. `bwrun --get bw://prod-db/password`",
    "inject": "write `bwrun --template IN:OUT -- COMMAND`",
    "list": "write `bwrun --list`, or `bwrun --list WORD` to search",
    "search": "write `bwrun --list WORD`",
    "unlock": "leave it out: each run unlocks the vault, write `bwrun -- COMMAND`",
    "lock": "leave it out: bwrun removes the session when the command ends",
    "sync": "leave it out: each run reads the vault from the server",
}
SHEBANG_SIZE = 256  # bytes; the kernel reads no more of a first line (BINPRM_BUF_SIZE)


def find_command(name: str, path: bytes | None) -> bytes:
    """
    Return the path of the command `name`; `path` is the value of PATH, None if it is not set.

    Raises CommandNotFoundError, CommandNotExecutableError.
    """
    word = os.fsencode(name)
    if not word:
        raise CommandNotFoundError("not-found", "the command's name is empty")
    if b"/" in word:
        return _checked(word, name)
    refused: CommandNotExecutableError | None = None
    for directory in (DEFAULT_PATH if path is None else path).split(b":"):
        if not os.path.isdir(directory or b"."):
            continue
        try:
            return _checked(os.path.join(directory or b".", word), name)
        except CommandNotExecutableError as error:
            refused = refused or error
        except CommandNotFoundError as error:
            if error.code == "command.no-interpreter":
                raise
    if refused is not None:
        raise refused
    raise CommandNotFoundError("not-found", f"cannot run `{name}`: not found on PATH", *_not_found_hints(name))


def _not_found_hints(name: str) -> list[str]:
    """Return what to do where somebody wrote a command of another tool's, a line of shell, or lacks the CLI."""
    if name in IN_OTHER_TOOLS:
        return [IN_OTHER_TOOLS[name]]
    if name in OPTIONS_THAT_ARE_COMMANDS_ELSEWHERE:
        return [f"write `bwrun --{name}`"]
    if name == "bw":
        return ["install the official CLI: `npm install -g @bitwarden/cli`; references (`NAME=bw://…`) work without it"]
    if any(character in name for character in " \t\n"):
        return ["leave out the quotes, or let a shell read the line: `bwrun -- sh -c 'COMMAND LINE'`"]
    return []


def _checked(file: bytes, name: str) -> bytes:
    """Return `file` if it can be executed; raise the error that says why not if it cannot."""
    try:
        is_directory = os.path.isdir(file)
        os.stat(file)
    except OSError as error:
        raise _error_for(error, file, name) from None
    except ValueError:
        raise CommandNotFoundError("not-found", "the command's name contains a NUL byte") from None
    if is_directory:
        raise CommandNotExecutableError("is-directory", f"cannot run `{name}`: it is a directory")
    if not os.access(file, os.X_OK):
        raise CommandNotExecutableError(
            "not-executable", f"cannot run `{name}`: it is not executable", f"run `chmod +x {os.fsdecode(file)}`"
        )
    interpreter = _interpreter(file)
    if interpreter and not os.path.exists(interpreter):
        raise _no_interpreter(name, interpreter)
    return file


def _interpreter(file: bytes) -> bytes:
    """Return the interpreter that a first line `#!…` names; empty if there is no such line."""
    first = _first_line(file)
    if not first.startswith(b"#!"):
        return b""
    # The kernel splits at spaces and tabs only: a carriage return is part of the name.
    words = first[2:].replace(b"\t", b" ").split(b" ")
    return next((word for word in words if word), b"")


def _first_line(file: bytes) -> bytes:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""  # the file may be executable without being readable
    try:
        return os.read(descriptor, SHEBANG_SIZE).split(b"\n")[0]
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _no_interpreter(name: str, interpreter: bytes) -> CommandNotFoundError:
    shown = os.fsdecode(interpreter)
    hint = "install the interpreter, or correct the script's first line"
    if shown.endswith("\r"):
        hint = "convert the script's Windows line endings (CRLF) to Unix ones (LF)"
    return CommandNotFoundError(
        "no-interpreter", f"cannot run `{name}`: its interpreter `{shown.rstrip()}` does not exist", hint
    )


def _error_for(error: OSError, file: bytes, name: str) -> CommandError:
    why = os.strerror(error.errno or 0)
    if error.errno == errno.ENOENT:
        if os.path.exists(file):
            return CommandNotFoundError(
                "no-interpreter", f"cannot run `{name}`: its interpreter or loader does not exist"
            )
        return CommandNotFoundError("not-found", f"cannot run `{name}`: no such file")
    if error.errno == errno.ENOEXEC:
        return CommandNotExecutableError("exec-format", f"cannot run `{name}`: it is not a program for this machine")
    if error.errno in (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ETXTBSY):
        return CommandNotExecutableError("not-executable", f"cannot run `{name}`: {why}")
    return CommandError("exec", f"cannot run `{name}`: {why}")


def check_size(file: bytes, words: Sequence[str], environment: Mapping[bytes, bytes]) -> None:
    """
    Check that execve(2) will accept the arguments `words` and the environment.

    Raises CommandError: together they are too large.
    """
    strings = [file, *map(os.fsencode, words), *environment.keys(), *environment.values()]
    pointers = 8 * (len(words) + len(environment))
    size = sum(map(len, strings)) + len(strings) + pointers  # a NUL for each argument, `=` and NUL for each variable
    limit = min(max(os.sysconf("SC_ARG_MAX"), MIN_SIZE), MAX_SIZE)
    if size > limit:
        raise CommandError(
            "too-large", f"the command's arguments and variables take {size} bytes, and the kernel allows {limit}",
            "put large values into files, with `NAME=@bw://…` or `--template`",
        )  # fmt: skip


def exec_command(file: bytes, words: Sequence[str], environment: Mapping[bytes, bytes]) -> NoReturn:
    """
    Replace this process by the command, whose arguments are `words`.

    A script without a first line `#!` is run by /bin/sh, as execvp(3) does.

    Raises CommandError: the kernel refuses it, and this process goes on.
    """
    argv = [os.fsencode(word) for word in words]
    try:
        try:
            os.execve(file, argv, environment)
        except OSError as error:
            if error.errno != errno.ENOEXEC or b"\0" in _first_line(file):
                raise
            os.execve(b"/bin/sh", [b"sh", file, *argv[1:]], environment)
    except OSError as error:
        raise _error_for(error, file, words[0]) from None
    except ValueError:
        raise CommandError("nul", "an argument of the command or a variable contains a NUL byte") from None
