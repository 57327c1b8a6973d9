"""
Parsing bwrun's command line into Options.

The arguments before the first `--` are bwrun's, those after it are the command. If the first argument is not an option,
all arguments are the command, even a later `--`.

Calls whose options are all of the plainest form (`-e NAME=VALUE`, `--item ITEM`, `-v`) are parsed by hand, because
argparse takes 15 ms to import (`python -X importtime -c "import argparse"`), a third of a nested run. argparse parses
all others, and makes the errors. This module reads neither the environment nor a file.
"""

from __future__ import annotations

from bwrun.base.errors import UsageError
from bwrun.settings.option_names import (
    ALONE,
    CHECK,
    COMPLETION,
    DEFAULT_VALUES,
    DOCTOR,
    EXPORT,
    FLAG_LETTERS,
    FLAG_OPTIONS,
    GET,
    LIST,
    LIST_OPTIONS,
    PRINTS_VALUES,
    RUN,
    SHORT_OPTIONS,
    VALUE_OPTIONS,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import NoReturn


class Options:
    """The command line, parsed but not interpreted. It holds no secret, except in the values of `-e`."""

    def __init__(self) -> None:
        """Make Options without any option and without a command."""
        self.values: dict[str, str] = {}  # the options of VALUE_OPTIONS, without `--`
        self.lists: dict[str, list[str]] = {}  # those of LIST_OPTIONS, and `env`
        self.flags: set[str] = set()  # those of FLAG_OPTIONS
        self.command: list[str] = []
        self.text_to_print: str | None = None  # for --help and --version
        self.clean = False
        self.mode = RUN
        self.json = False
        self.search: list[str] = []  # the words of --list
        self.references: list[str] = []  # those of --get
        self.format = ""  # of --export
        self.shell = ""  # of --completion


def parse(arguments: list[str]) -> Options:
    """
    Parse bwrun's arguments, without the name of the program.

    Raises UsageError: there is no command, an unknown option, an option without its value, options that contradict each
    other, or no `--` between options and command.
    """
    if not arguments:
        raise _no_command()
    if arguments[0] == "--" or not arguments[0].startswith("-"):
        options = Options()
        options.command = arguments[1:] if arguments[0] == "--" else arguments
    else:
        options = _parse_plain(arguments) or _parse_options(arguments)
    if not options.command and options.text_to_print is None and not options.clean and options.mode == RUN:
        raise _no_command()
    return options


def _no_command() -> UsageError:
    return UsageError("no-command", "no command to run", "put the command after `--`, e.g. `bwrun -- make deploy`")


def _parse_plain(arguments: list[str]) -> Options | None:
    """Return the Options of a run whose options are all of the plainest form, as argparse would; None for others."""
    if "--" not in arguments:
        return None
    end = arguments.index("--")
    options = Options()
    options.command = arguments[end + 1 :]
    words = iter(arguments[:end])
    for word in words:
        name = SHORT_OPTIONS.get(word, word[2:])
        if word not in SHORT_OPTIONS and word[:2] != "--":
            return None
        if name in FLAG_OPTIONS:
            options.flags.add(name)
            continue
        if name in DEFAULT_VALUES:
            options.values[name] = DEFAULT_VALUES[name]
            continue
        value = next(words, "-")
        if value.startswith("-"):
            return None
        if name in VALUE_OPTIONS:
            options.values[name] = value
        elif name in LIST_OPTIONS or name == "env":
            options.lists.setdefault(name, []).append(value)
        else:
            return None
    return options


def _parse_options(arguments: list[str]) -> Options:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    _check_joined_letters(arguments[:end])
    found, rest = make_parser().parse_known_args([_with_value(word) for word in arguments[:end]])
    given = {name.replace("_", "-"): value for name, value in vars(found).items()}

    options = Options()
    options.command = arguments[end + 1 :]
    options.values = {name: given[name] for name in VALUE_OPTIONS if given[name] is not None}
    options.lists = {name: given[name] for name in (*LIST_OPTIONS, "env") if given[name]}
    options.flags = {name for name in FLAG_OPTIONS if given[name]}
    options.json = given["json"]
    options.format = given["export"] or ""
    options.shell = given["completion"] or ""
    modes = [
        name
        for name in ("help", "version", *ALONE, CHECK, DOCTOR, LIST, *PRINTS_VALUES)
        if given[name] not in (None, False)
    ]
    if not modes:
        if rest:
            raise _unexpected_argument(rest, separated=end < len(arguments))
        if options.json:
            raise UsageError("conflict", "`--json` can only be used with `--check`, `--list` or `--doctor`")
    else:
        _choose_mode(options, modes, rest, separated=end < len(arguments))
    return options


def _with_value(word: str) -> str:
    """Return an option with its default value, if it may be given without one."""
    name = word.removeprefix("--")
    return f"{word}={DEFAULT_VALUES[name]}" if word.startswith("--") and name in DEFAULT_VALUES else word


def _check_joined_letters(arguments: list[str]) -> None:
    """
    Refuse `-vx`: the letters after one that takes no value must be such letters too. `-eNAME=VALUE` is allowed.

    argparse does not agree with itself here: from Python 3.13 on, it takes the `h` in `-vsh` as `--help`.
    """
    for word in arguments:
        letters = word[1:].partition("e")[0] if word[:1] == "-" and word[1:2] != "-" else ""
        if letters[:1] in FLAG_LETTERS and not set(letters) <= FLAG_LETTERS:
            raise UsageError("bad-option", f"`-{letters[0]}` takes no value", "run `bwrun --help` to see the options")


def _choose_mode(options: Options, modes: list[str], rest: list[str], *, separated: bool) -> None:
    """Set in `options` what bwrun does instead of a run; `rest` are the arguments that belong to no option."""
    from bwrun import __version__  # noqa: PLC0415  (only here)

    mode = modes[0]
    if mode in ("help", "version"):
        from bwrun.settings.help_text import HELP  # noqa: PLC0415  (only here)

        options.text_to_print = HELP if mode == "help" else f"bwrun {__version__}\n"
        return
    if len(modes) > 1:
        raise UsageError(
            "conflict", f"{' and '.join(f'`--{one}`' for one in modes)} cannot be used together",
            "leave out all but one of them",
        )  # fmt: skip
    if mode in ALONE and (options.command or options.json):
        raise UsageError("conflict", f"`--{mode}` takes no command and no `--json`", f"run `bwrun --{mode}` by itself")
    if mode in PRINTS_VALUES:
        from bwrun.settings.misfits import check_misfits  # noqa: PLC0415  (only in these modes)

        given = [*options.lists, *options.flags, *(["json"] if options.json else [])]
        check_misfits(mode, given, options.format, has_command=bool(options.command))
    if mode in (LIST, GET) and not any(word.startswith("-") for word in rest):
        words, options.command = [*rest, *options.command], []
        options.search, options.references = (words, []) if mode == LIST else ([], words)
        if mode == GET and not words:
            raise UsageError("get", "`--get` needs a reference", "write it like `bwrun --get bw://prod-db/password`")
    elif rest:
        wrong = [word for word in rest if word.startswith("-")] if mode in (LIST, GET) else rest
        raise _unexpected_argument(wrong, separated=separated)
    options.clean = mode == "clean"
    options.mode = mode if mode != "clean" else RUN


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all options. It has no help: completions and man page add that when they are made."""
    import argparse  # noqa: PLC0415  (costs 10 ms: only where there are options)

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            # Not argparse's own message: it may quote a value, which may be a secret.
            option = message.removeprefix("argument ").partition(":")[0].partition("/")[0]
            what = "needs a value" if "expected" in message else "takes no value"
            raise UsageError("bad-option", f"`{option}` {what}", "run `bwrun --help` to see the options")

    parser = Parser(prog="bwrun", add_help=False, allow_abbrev=False)
    for name in VALUE_OPTIONS:
        parser.add_argument(f"--{name}", metavar="")
    for name in LIST_OPTIONS:
        parser.add_argument(f"--{name}", action="append", metavar="")
    for name in FLAG_OPTIONS:
        parser.add_argument(f"--{name}", *(["-v"] if name == "verbose" else []), action="store_true")
    parser.add_argument(f"--{EXPORT}", metavar="")
    parser.add_argument(f"--{COMPLETION}", metavar="")
    parser.add_argument("-e", "--env", action="append", metavar="")
    for name in (*(name for name in ALONE if name != COMPLETION), CHECK, DOCTOR, LIST, GET, "json"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-V", "--version", action="store_true")
    return parser


def _unexpected_argument(rest: list[str], *, separated: bool) -> UsageError:
    """Return the error for arguments that are not bwrun's. Values are not shown, because one may be a secret."""
    if rest[0].startswith("-"):
        shown = rest[0].partition("=")[0] if rest[0].startswith("--") else rest[0][:2]
        return UsageError("unknown-option", f"unknown option `{shown}`", "run `bwrun --help` to see the options")
    if not separated:
        return UsageError(
            "no-separator", "there is no `--` between the options and the command",
            "put `--` before the command, e.g. `bwrun -v -- make deploy`",
        )  # fmt: skip
    return UsageError(
        "stray-word", "an argument before `--` is neither an option nor the value of one", "put the command after `--`"
    )
