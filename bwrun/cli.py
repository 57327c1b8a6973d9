"""
argv → Options, and the help text.

The plain forms (`bwrun -- cmd`, `bwrun cmd`) are read by hand; argparse, which
costs 10 ms to import, only where there are options.  The words before the first
`--` are bwrun's, those after it are the command's.  If the first word is no
option, all of it is the command, a later `--` included.

This module knows words only: no environment, no file.
"""

from __future__ import annotations

from bwrun.errors import UsageError

TYPE_CHECKING = False  # `typing` costs 20 ms at the start of each process
if TYPE_CHECKING:
    from typing import NoReturn

HELP = """\
Usage: bwrun [OPTIONS] -- COMMAND [ARG]...

Run COMMAND with an unlocked Bitwarden session of its own, gone when it ends.

Options:
      --env-file FILE         Read FILE instead of .env (repeatable)
      --server us|eu|URL      Bitwarden server [us]
      --identity-url URL      Identity service, if it has a URL of its own
      --api-url URL           API service, if it has a URL of its own
      --ca-file FILE          Trust the certificates in FILE (PEM) too
      --password-file FILE    Read the master password from FILE
      --password-fd N         Read the master password from descriptor N
      --password-command CMD  Read the master password from CMD's output
      --pass NAME             Let COMMAND see credential NAME (repeatable)
      --session-api-key       Put the API key into the session, for bw sync -f
      --timeout SECONDS       For everything before COMMAND [60]
  -v, --verbose               Say what is done, never a value
  -V, --version               Print the version
  -h, --help                  Print this help

Environment: BW_CLIENTID, BW_CLIENTSECRET, BW_PASSWORD, each also as NAME_FILE;
BWRUN_LONG_OPTION for each --long-option; BWRUN_DEVICE_ID, BWRUN_RUNTIME_DIR
Exit status: that of COMMAND, or death by the same signal; 125 bwrun failed;
126 COMMAND cannot be run; 127 COMMAND not found
"""

# Options that are settings too: `--long-option VALUE` = BWRUN_LONG_OPTION.
VALUE_OPTIONS = (
    "server", "identity-url", "api-url", "ca-file",
    "password-file", "password-fd", "password-command", "timeout",
)  # fmt: skip
LIST_OPTIONS = ("env-file", "pass")
FLAG_OPTIONS = ("session-api-key", "verbose")


class Options:
    """The command line, as close to its words as can be: nothing looked up, nothing secret."""

    def __init__(self) -> None:
        """Start with no option given and no command."""
        self.values: dict[str, str] = {}
        self.lists: dict[str, list[str]] = {}
        self.flags: set[str] = set()
        self.command: list[str] = []
        self.show: str | None = None


def parse(words: list[str]) -> Options:
    """
    Read bwrun's command line.

    `show` is set to the text to print when help or the version is asked for.

    Raises UsageError: no command, an unknown option, a value missing, no `--` between options and command.
    """
    if not words:
        raise _no_command()
    if words[0] == "--" or not words[0].startswith("-"):
        options = Options()
        options.command = words[words[0] == "--" :]
    else:
        options = _parse_options(words)
    if not options.command and options.show is None:
        raise _no_command()
    return options


def _no_command() -> UsageError:
    return UsageError("no-command", "no command to run", "put it after `--`, e.g. `bwrun -- make deploy`")


def _parse_options(words: list[str]) -> Options:
    import argparse  # noqa: PLC0415  (costs 10 ms: only where there are options)

    from bwrun import __version__  # noqa: PLC0415

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            # argparse's words may quote a value, and that may be a secret.
            option = message.removeprefix("argument ").partition(":")[0].partition("/")[0]
            what = "needs a value" if "expected" in message else "takes no value"
            raise UsageError("bad-option", f"`{option}` {what}", "`bwrun --help` lists the options")

    parser = Parser(prog="bwrun", add_help=False, allow_abbrev=False)
    for name in VALUE_OPTIONS:
        parser.add_argument(f"--{name}", metavar="")
    for name in LIST_OPTIONS:
        parser.add_argument(f"--{name}", action="append", metavar="")
    for name in FLAG_OPTIONS:
        parser.add_argument(f"--{name}", *(["-v"] if name == "verbose" else []), action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-V", "--version", action="store_true")

    end = words.index("--") if "--" in words else len(words)
    found, rest = parser.parse_known_args(words[:end])
    given = {name.replace("_", "-"): value for name, value in vars(found).items()}

    options = Options()
    options.command = words[end + 1 :]
    if given["help"]:
        options.show = HELP
    elif given["version"]:
        options.show = f"bwrun {__version__}\n"
    elif rest:
        raise _stray_words(rest, separated=end < len(words))
    options.values = {name: given[name] for name in VALUE_OPTIONS if given[name] is not None}
    options.lists = {name: given[name] for name in LIST_OPTIONS if given[name]}
    options.flags = {name for name in FLAG_OPTIONS if given[name]}
    return options


def _stray_words(rest: list[str], *, separated: bool) -> UsageError:
    """Return the error for words that are no option of bwrun's. They are not shown: one may be a secret."""
    unknown = next((word for word in rest if word.startswith("-")), None)
    if unknown is not None:
        shown = unknown.partition("=")[0] if unknown.startswith("--") else unknown[:2]
        return UsageError("unknown-option", f"unknown option `{shown}`", "`bwrun --help` lists the options")
    if not separated:
        return UsageError(
            "no-separator", "options and no `--` before the command", "put it there: `bwrun -v -- make deploy`"
        )
    return UsageError(
        "stray-word", "a word before `--` is neither an option nor an option's value", "the command goes after `--`"
    )
