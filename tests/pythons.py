"""
`make test-pythons`: run a part of the tests on the oldest and the newest CPython that are installed, from 3.11 on.

That part is what depends on the Python: TLS, sockets, files, processes, regular expressions. It does without the
official CLI. With --all, the minor versions between the two have their turn, too. Of several releases of one minor
version the oldest is taken, for it has faults that later ones have not. The Python of `make test` is left out, for all
tests run with it. Interpreters are found on PATH and below pyenv's folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "tests" / "requirements.lock"
OLDEST = (3, 11)
ENDS = 2  # the oldest and the newest
NO_TESTS = 5  # pytest's exit status if `--last-failed` leaves none
CHOSEN = (
    *(f"tests/{room}" for room in ("base", "credentials", "crypto", "injection", "library", "network", "settings")),
    *(f"tests/login/test_{name}.py" for name in ("caching", "device", "login_failures", "modern_accounts")),
    *(f"tests/program/test_{name}.py" for name in ("fault_steps", "no_session", "speed")),
)
ABOUT = "import ensurepip, sys; print(sys.implementation.name, sys.version_info.releaselevel, *sys.version_info[:3])"

Version = tuple[int, int, int]


def candidates() -> Iterator[Path]:
    """Yield the paths of what may be a Python."""
    for folder in map(Path, os.environ["PATH"].split(os.pathsep)):
        yield from sorted(path for path in folder.glob("python3.*") if re.fullmatch(r"python3\.\d+", path.name))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/*/bin/python3"))


def version_of(python: Path) -> Version | None:
    """Return the version of a CPython that is released, new enough and able to make environments; else None."""
    try:
        done = subprocess.run([python, "-c", ABOUT], capture_output=True, encoding="utf-8", timeout=60, check=False)
    except OSError:
        return None
    if not done.stdout.startswith("cpython final "):
        return None
    major, minor, patch = map(int, done.stdout.split()[2:])
    return (major, minor, patch) if (major, minor) >= OLDEST else None


def find_pythons() -> dict[tuple[int, int], tuple[Version, Path]]:
    """Return the oldest of each minor version, by that version."""
    found: dict[tuple[int, int], tuple[Version, Path]] = {}
    for python in candidates():
        version = version_of(python)
        if version is not None and (version[:2] not in found or found[version[:2]][0] > version):
            found[version[:2]] = (version, python)
    return dict(sorted(found.items()))


def make_environment(python: Path, folder: Path) -> Path:
    """Return the Python of a virtual environment with the locked packages and bwrun, made anew if the lock is newer."""
    inner, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists() or ready.stat().st_mtime < max(
        LOCK.stat().st_mtime, (ROOT / "pyproject.toml").stat().st_mtime
    ):
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        install: list[str | Path] = [inner, "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "--require-hashes", "--requirement", LOCK], cwd=ROOT, check=True)
        subprocess.run([*install, "--no-deps", "--no-build-isolation", "--editable", "."], cwd=ROOT, check=True)
        ready.touch()
    return inner


def run_tests(python: Path, folder: Path, words: list[str]) -> bool:
    """Run the tests; return whether all passed."""
    command: list[str | Path] = [python, "-m", "pytest", "-q", "-n", "4", "--dist", "worksteal"]
    command += [
        "-m",
        "not official_cli and not slow",
        "--kept",
        "1",
        "-o",
        f"cache_dir={folder}/pytest",
        *words,
        *CHOSEN,
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode in (0, NO_TESTS)


def say(text: str) -> None:
    """Print at once, so that it stands before what the tests print."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(words: list[str]) -> int:
    """Run the tests on each of them; `words`, but for --all, are for pytest. Return the exit status."""
    found = [one for one in find_pythons().values() if one[0] != sys.version_info[:3]]
    if "--all" in words:
        words = [word for word in words if word != "--all"]
    elif len(found) > ENDS:
        found = [found[0], found[-1]]
    results = []
    for version, python in found:
        name = ".".join(map(str, version))
        say(f"CPython {name}, {python}")
        start, folder = time.monotonic(), ROOT / f".venv-{version[0]}.{version[1]}"
        passed = run_tests(make_environment(python, folder), folder, words)
        results.append(f"{name}: {'passed' if passed else 'FAILED'} in {time.monotonic() - start:.0f} s")
    for result in results:
        say(f"CPython {result}")
    return int(any("FAILED" in result for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
