"""
The user's own `config.toml`: where it is, and whether it is trusted.

It is in `$XDG_CONFIG_HOME/bwrun`, or `~/.config/bwrun`. It may name commands that bwrun runs, so nobody else must be
able to write it. Most runs have no such file, and pay one system call for that.
"""

from __future__ import annotations

import errno
import os
import stat

from bwrun.base.errors import ConfigError
from bwrun.settings.profile_name import DEFAULT_PROFILE, checked_profile

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bwrun.settings.config_file import ConfigFile
    from bwrun.settings.sources import Sources
    from bwrun.settings.values import Settings

MAX_SIZE = 1024 * 1024  # bytes
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)


def add_config_file(settings: Settings, sources: Sources) -> None:
    """
    Read config.toml, and give `sources` what of it counts for this run.

    What it says about a server does not count if a place that wins names another one.

    Raises ConfigError: the file cannot be read or is not to be trusted, something in it is wrong, or it has no such
    profile.
    """
    found = settings.found("profile")
    profile = None if found is None or found.value == DEFAULT_PROFILE else checked_profile(found.value)
    file = find_config_file(sources.environment, profile)
    if file is None:
        return
    from bwrun.settings.config_tables import without_other_server  # noqa: PLC0415  (most runs have no such file)

    names = ("server", "identity-url", "api-url")
    elsewhere = {name: found for name in names if (found := settings.found(name)) is not None}
    sources.config_file = without_other_server(file, elsewhere)


def config_directory(environment: Mapping[str, str]) -> str | None:
    """Return the directory of bwrun's own files: `$XDG_CONFIG_HOME/bwrun` or `~/.config/bwrun`; None without a home."""
    base = environment.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):  # by the XDG Base Directory Specification, a relative path counts as not set
        home = home_directory(environment)
        if home is None:
            return None
        base = os.path.join(home, ".config")
    return os.path.join(base, "bwrun")


def home_directory(environment: Mapping[str, str]) -> str | None:
    """Return HOME, or if it is not set the home directory of the user database; None if neither is an absolute path."""
    home = environment.get("HOME")
    if not home:
        import pwd  # noqa: PLC0415  (only where HOME is not set)

        try:
            home = pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:
            return None
    return home if home.startswith("/") else None


def find_config_file(environment: Mapping[str, str], profile: str | None) -> ConfigFile | None:
    """
    Read config.toml, and choose a profile in it if one is named; None if there is no such file.

    Raises ConfigError: the file cannot be read or is not to be trusted, something in it is wrong, or it has no such
    profile.
    """
    directory = config_directory(environment)
    path = None if directory is None else os.path.join(directory, "config.toml")
    text = None if path is None else _read(path)
    if path is None or text is None:
        if profile is None:
            return None
        missing = "there is no home directory" if path is None else f"there is no `{path}`"
        raise ConfigError(
            "profile", f"there is no profile `{profile}`: {missing}",
            f"make the file, with a table `[profile.{profile}]`, or leave out `--profile` and BWRUN_PROFILE",
        )  # fmt: skip
    from bwrun.settings.config_tables import read_tables  # noqa: PLC0415  (most runs have no such file)

    return read_tables(text, path, home_directory(environment), profile)


def _read(path: str) -> str | None:
    """Return the text of a file that nobody else can have written; None if it does not exist."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno in ABSENT:
            return None
        if error.errno == errno.EACCES and not os.path.lexists(path):
            return None  # the directory cannot be searched
        raise _unreadable(path, error) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError("config-file", f"the config file `{path}` is not a regular file")
        data = os.read(descriptor, MAX_SIZE + 1)
        _check_owner(path, os.lstat(path), status)
    except OSError as error:
        raise _unreadable(path, error) from None
    finally:
        os.close(descriptor)
    if len(data) > MAX_SIZE:
        raise ConfigError("config-file", f"the config file `{path}` is larger than {MAX_SIZE >> 20} MiB")
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError("config-file", f"the config file `{path}` is not in UTF-8", "save it in UTF-8") from None


def _check_owner(path: str, link: os.stat_result, status: os.stat_result) -> None:
    from bwrun.settings.ownership import why_doubtful  # noqa: PLC0415  (most runs have no such file)

    doubt = why_doubtful(path, link, status)
    if doubt is not None:
        is_own = {link.st_uid, status.st_uid} <= {os.geteuid(), 0}
        home = "or set XDG_CONFIG_HOME or HOME to a directory of the user who runs bwrun"
        what, cure = doubt
        raise ConfigError("untrusted-config-file", what, cure if is_own else f"{cure}, {home}")


def _unreadable(path: str, error: OSError) -> ConfigError:
    return ConfigError("config-file", f"cannot read the config file `{path}`: {os.strerror(error.errno or 0)}")
