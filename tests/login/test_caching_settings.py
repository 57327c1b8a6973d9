"""The settings of the cache, where it is kept, and `--clean`."""

from __future__ import annotations

from pathlib import Path

import pytest

from bwrun.base.errors import ConfigError
from bwrun.settings.caching import CacheSettings, read_cache_settings
from bwrun.settings.sources import SettingValue
from tests.cache.test_place import on_disk
from tests.login.test_login_failures import messages
from tests.support.cache_file import names_in
from tests.support.cached import COLD, SHOW, WARM, Cached
from tests.support.files import write_private
from tests.support.program import Ended
from tests.support.users import needs_root

HINT = "hint: set BWRUN_CACHE_DIR to a directory that only you can write to; on a disk, the user key is not kept"


def settings(**given: str) -> CacheSettings | None:
    """Return the settings that these values make; `max_age` stands for `max-age`."""
    values = {name.replace("_", "-"): SettingValue(value, "the test") for name, value in given.items()}
    return read_cache_settings(values.get, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("on", 3600), ("ON", 3600), ("true", 3600), ("1", 3600), ("1s", 1), ("90s", 90), (" 15m ", 900), ("8H", 28800),
     ("30d", 2592000), ("720h", 2592000), ("0001s", 1)],
)  # fmt: skip
def test_durations(text: str, seconds: int) -> None:
    """A number and a unit, at most 30 days."""
    found = settings(cache=text)

    assert found is not None
    assert (found.lifetime, found.max_age, found.offline) == (seconds, 0, None)


@pytest.mark.parametrize(
    "text",
    ["0s", "0d", "2", "60", "s", "31d", "721h", "-1s", "+1s", "1.5h", "1 h", "1e3s", "1w", "1ms", "1hs", "999999999s",
     "\N{FULLWIDTH DIGIT ONE}s", "\N{SUPERSCRIPT TWO}s", "9" * 5000 + "d", "inf", "nans", "1_0s", "0x1s", "always",
     "yes please"],
)  # fmt: skip
def test_bad_durations(text: str) -> None:
    """All else is an error that says what to write; nothing is taken for off, or for a long time."""
    with pytest.raises(ConfigError) as raised:
        settings(cache=text)
    assert raised.value.code == "config.cache"
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("text", ["off", "OFF", "0", "false", "no"])
def test_off(text: str) -> None:
    """The words for off."""
    assert settings(cache=text) is None
    assert settings(cache=text, offline=text) is None


@pytest.mark.parametrize(
    "text", ["-1", "1.5", "x", "1m", "s", "\N{FULLWIDTH DIGIT ONE}", "ss", "1ss", "1 s", "999999999"]
)
def test_bad_max_ages(text: str) -> None:
    """It is a number of seconds."""
    with pytest.raises(ConfigError) as raised:
        settings(cache="1h", max_age=text)
    assert raised.value.code == "config.max-age"


@pytest.mark.parametrize("text", ["never", "auto always", "alway", "2"])
def test_bad_offline(text: str) -> None:
    """It is one of two words."""
    with pytest.raises(ConfigError) as raised:
        settings(cache="1h", offline=text)
    assert raised.value.code == "config.offline"


def test_words_that_do_not_go_together(cached: Cached) -> None:
    """What needs the cache says so, and nothing is asked; `--cache=off` wins over the environment."""
    for words in (("--max-age", "60"), ("--offline",), ("--offline=always",), ("--max-age=60", "--cache=off")):
        assert cached.run(*words, cache="").codes == ["usage.conflict"]
    assert cached.run(cache="--cache=1x").codes == ["config.cache"]
    assert cached.run(cache="", env={"BWRUN_CACHE": "soon"}).codes == ["config.cache"]
    assert cached.asked() == []
    assert names_in(cached.surroundings) == []

    assert cached.ask(cache="--cache=off", env={"BWRUN_CACHE": "1h"}) == ["login", "sync"]
    assert cached.ask(cache="", env={"BWRUN_CACHE": ""}) == ["login", "sync"]
    assert names_in(cached.surroundings) == []
    assert cached.ask(cache="", env={"BWRUN_CACHE": "1h"}) == COLD
    assert cached.ask(cache="", env={"BWRUN_CACHE": "1h"}) == WARM
    assert cached.ask(cache="--cache=off", env={"BWRUN_CACHE": "1h"}) == ["login", "sync"]


def test_env_files(cached: Cached) -> None:
    """A `.env` that was found turns nothing of it on, and says so; a file that was named does."""
    lines = (
        "BWRUN_CACHE=1h",
        "BWRUN_MAX_AGE=9999",
        "BWRUN_OFFLINE=always",
        f"BWRUN_CACHE_DIR={cached.surroundings.work}",
    )
    found = write_private(cached.surroundings.work / ".env", *lines)

    done = cached.run(cache="")

    assert (done.status, done.stdout) == (0, "p4ss")
    assert cached.asked() == ["login", "sync"]
    assert names_in(cached.surroundings) == []
    for name in ("BWRUN_CACHE", "BWRUN_MAX_AGE", "BWRUN_OFFLINE", "BWRUN_CACHE_DIR"):
        assert name in done.stderr
    cached.server.clear_requests()
    for _ in range(2):
        assert cached.run().status == 0
    assert cached.asked() == sorted(COLD + WARM)  # neither max-age nor offline
    assert sorted(path.name for path in cached.surroundings.work.iterdir()) == [".env"]

    found.unlink()
    named = write_private(cached.surroundings.work / "named", *lines[:2])
    assert cached.ask("--env-file", named, cache="") == []


def test_no_place(cached: Cached) -> None:
    """A directory that cannot be used is one warning with a hint, and the cache is off; nothing is made elsewhere."""
    work = cached.surroundings.work
    work.joinpath("open").mkdir()
    work.joinpath("open").chmod(0o777)
    work.joinpath("link").symlink_to("open")
    reasons = {
        "caches": "`caches` is not an absolute path",
        f"{work}/open": f"`{work}/open` is open to other users (mode 0777)",
        f"{work}/none/deep": f"`{work}/none/deep` cannot be made: No such file or directory",
        f"{work}/link/": f"`{work}/link` is a link",
    }
    for directory, reason in reasons.items():
        cached.server.clear_requests()
        done = cached.run(env={"BWRUN_CACHE_DIR": directory})

        assert (done.status, done.stdout) == (0, "p4ss")
        assert messages(done) == [f"warning: the cache is off: {reason}", HINT]
        assert cached.asked() == ["login", "sync"]
    always = cached.run("--offline=always", env={"BWRUN_CACHE_DIR": "caches"})
    assert always.codes == ["config.nothing-cached"]
    assert names_in(cached.surroundings) == []
    assert list(work.joinpath("open").iterdir()) == []


@needs_root
def test_no_ram(cached: Cached, tmp_path: Path) -> None:
    """Where neither the runtime directory nor /dev/shm is in RAM, there is one warning."""
    disk = on_disk()
    hide = 'mount --bind "$0" /dev/shm && exec "$@"'
    folder = tmp_path / "on a disk"
    folder.mkdir(mode=0o700)
    if folder.stat().st_dev != disk.stat().st_dev:
        pytest.skip("the temporary directory is on another file system than the tests")
    env = {"XDG_RUNTIME_DIR": str(folder)}

    done = cached.surroundings.run(
        "--cache", "--no-session", *SHOW, env=env, before=("unshare", "-m", "sh", "-c", hide, str(folder))
    )

    assert (done.status, done.stdout) == (0, "p4ss")
    warnings = [line for line in messages(done) if line.startswith("warning: ")]
    assert len([line for line in warnings if "the cache is off" in line]) == 1
    assert "is not in RAM" in warnings[0]
    assert cached.asked() == ["login", "sync"]


@needs_root
def test_memory_that_is_full(cached: Cached, tmp_path: Path) -> None:
    """A file that does not fit is no error, and half of it does not stay."""
    folder = tmp_path / "small"
    folder.mkdir(mode=0o700)
    mount = 'mount -t tmpfs -o size=8k,mode=700 none "$0" && exec "$@"'
    before = ("unshare", "-m", "sh", "-c", mount, str(folder))
    env = {"BWRUN_CACHE_DIR": str(folder)}

    done = cached.surroundings.run("-v", "--cache", "--", "ls", "-A", str(folder), env=env, before=before)

    assert done.status == 0
    assert [Path(name).suffix for name in done.stdout.split()] == [".lock"]
    assert "cannot write the cache file" in done.stderr


def test_a_directory_that_was_chosen(cached: Cached) -> None:
    """It is made if its parent is there, and the only one; `--clean` removes what is in it."""
    work = cached.surroundings.work
    cached.surroundings.environment["BWRUN_CACHE_DIR"] = f"{work}/caches"

    assert cached.ask() == COLD
    assert cached.ask() == WARM
    assert (work / "caches").stat().st_mode & 0o777 == 0o700
    assert sorted(path.suffix for path in (work / "caches").iterdir()) == [".cache", ".lock"]
    assert {path.stat().st_mode & 0o777 for path in (work / "caches").iterdir()} == {0o600}
    assert names_in(cached.surroundings) == []
    work.joinpath("caches", "poetry.lock").write_text("")

    assert "removed 1 cached vault(s)" in cached.surroundings.run("--clean").stdout
    assert [path.name for path in (work / "caches").iterdir()] == ["poetry.lock"]


def test_cleaning(cached: Cached) -> None:
    """`--clean` says how many caches it removed; a run that clears its session keeps the cache."""
    cached.ask()
    assert cached.surroundings.left() == []
    assert names_in(cached.surroundings) == [".cache", ".lock"]
    cached.use(cached.server.rotate_api_key(cached.account))
    cached.ask(env={"BWRUN_SERVER": cached.server.url.replace("localhost", "127.0.0.1")})

    done = cached.surroundings.run("--clean")

    assert done.status == 0
    assert "bwrun: removed 2 cached vault(s)\n" in done.stdout
    assert not cached.path.parent.exists()
    assert "cached" not in cached.surroundings.run("--clean").stdout
    assert cached.ask() == COLD


def test_the_umask_and_the_command(cached: Cached) -> None:
    """Whatever the umask is, the files are closed; the command gets neither a descriptor of theirs nor the settings."""
    script = 'umask 0; exec "$@"'
    words = (
        "--cache",
        "--",
        "sh",
        "-c",
        'ls -l /proc/$$/fd 2>/dev/null | grep -c "bwrun/"; env | grep -c BWRUN_; true',
    )
    for _ in range(2):
        done = cached.surroundings.run(*words, before=("sh", "-c", script, "sh"), env={"BWRUN_CACHE": "1h"})

        assert done == Ended(0, "0\n0\n", "")
        assert {path.stat().st_mode & 0o777 for path in cached.path.parent.iterdir()} == {0o600}
        assert cached.path.parent.stat().st_mode & 0o777 == 0o700


def test_no_secret_is_in_an_argument(cached: Cached) -> None:
    """While the command runs, no process has a secret of the run among its words."""
    cached.ask()
    token = str(cached.read().state["reply"]["access_token"])

    done = cached.surroundings.run("--cache", "--", "sh", "-c", "cat /proc/[0-9]*/cmdline; true")

    assert "cat /proc/" in done.stdout
    for secret in (cached.account.client_secret, token, token.rpartition(".")[2]):
        assert secret not in done.stdout
