"""What of the settings is dangerous or has no effect, although a run can go on with it."""

from __future__ import annotations

from bwrun.base.console import WarningMessage
from bwrun.settings.found_file import trust_it
from bwrun.settings.sources import CREDENTIALS, SERVER_SETTINGS, USER_KEY
from bwrun.settings.spelling import misspelled

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from bwrun.settings.env_files import EnvFile
    from bwrun.settings.sources import Sources

# For the supervisor and `--clean`, which read no env file.
DIRECTORIES = ("BWRUN_RUNTIME_DIR", "BWRUN_CACHE_DIR")
SERVER_HINT = "put BW_CLIENTSECRET into this file and nowhere else"
NAME_HINT = "set it in the environment"
READABLE = 0o044  # permission bits: by the group, by everybody


def find_warnings(sources: Sources) -> list[WarningMessage]:
    """Return the warnings in the order in which they are printed."""
    wrong_names = _of_names(sources)
    warnings = [warning for file in sources.files for warning in file.warnings]
    for file in sources.files:
        if any(file.values.get(name) for name in (*CREDENTIALS[1:], USER_KEY)):
            warnings += _of_secrets(file)
    for file in sources.files:
        for name in sources.untrusted_settings() if file.is_default else ():
            if name not in DIRECTORIES and name not in wrong_names:
                hint = SERVER_HINT if name in SERVER_SETTINGS else NAME_HINT
                warnings.append(
                    WarningMessage(
                        f"ignoring {name} in `{file.path}`: bwrun found this file by itself"
                        " and does not trust it with this setting",
                        (f"{hint}, {trust_it(file.path)}",),
                    )
                )
    warnings += [
        WarningMessage(f"ignoring {name} in `{file.path}`: an env file cannot set it", ("set it in the environment",))
        for file in sources.files
        for name in DIRECTORIES
        if name in file.values
    ]
    return [*warnings, *wrong_names.values()]


def readable_by_others(path: str, mode: int) -> list[WarningMessage]:
    """Return the warning for a file with a secret that other users can read, if they can."""
    if not mode & READABLE:
        return []
    return [WarningMessage(f"`{path}` can be read by other users (mode {mode:04o})", (f"run `chmod 600 {path}`",))]


def _of_secrets(file: EnvFile) -> list[WarningMessage]:
    from bwrun.settings.git_index import is_tracked  # noqa: PLC0415  (only for a file with a secret)

    warnings = readable_by_others(file.path, file.mode)
    if is_tracked(file.path):
        warnings.append(
            WarningMessage(
                f"`{file.path}` contains a secret, and git tracks it",
                (f"run `git rm --cached {file.path}`, add it to .gitignore, and replace the secret",),
            )
        )
    return warnings


def _of_names(sources: Sources) -> dict[str, WarningMessage]:
    places: dict[str, str] = dict.fromkeys(sources.environment, "in the environment")
    for file in sources.files:
        places |= {name: f"in {file.place(name)}" for name in file.values}
    return {
        name: WarningMessage(
            f"{name} {places[name]} is not a setting of bwrun",
            (f"did you mean {meant}?",) if meant else ("run `bwrun --help` to see the settings",),
        )
        for name, meant in misspelled(places).items()
    }
