"""
`make smoke`: build the package, install it with each tool that its users have, and start it.

    python -m tests.distribution.smoke PYTHON UV

PYTHON is the Python that runs bwrun, UV the requirement of uv, with its version. Each tool has a home directory of its
own. Nothing is installed but the versions in tests/runtime.lock; pip checks their hashes too.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bwrun import __version__
from bwrun.completion.scripts import SCRIPTS
from tests.distribution.building import build, epoch_of
from tests.distribution.sbom import LOCK
from tests.support.pages import ROOT

SHARED = [*SCRIPTS.values(), "share/man/man1/bwrun.1"]  # what the wheel puts beside the program
FAILS = b"[credentials.missing]"  # the code of the error where there are no credentials

# What the caller set to reach the package index.
OF_THE_CALLER = re.compile(r"PIP_|UV_|SSL_CERT_|REQUESTS_|(https?|all|no)_proxy$", re.IGNORECASE)


class Smoke:
    """A package, and a directory in which every tool gets a home."""

    def __init__(self, folder: Path, python: str, uv: str) -> None:
        """Build the package in `folder`."""
        self.folder = folder
        self.python = python
        self.uv = uv
        _, self.wheel = build(ROOT, folder / "dist", epoch_of(ROOT))
        # With hashes in it, pipx could not install its own pip.
        self.versions = folder / "versions"
        self.versions.write_text("\n".join(re.findall(r"^[a-z0-9-]+==[^\\\n]*", LOCK.read_text(), re.MULTILINE)))

    def run(self, home: str, *words: str | Path, status: int = 0, env: Mapping[str, str] | None = None) -> bytes:
        """Run a command in the home directory of a tool; return what it printed, if it ends with `status`."""
        place = self.folder / home
        place.mkdir(exist_ok=True)
        environment = {
            "PATH": os.pathsep.join((str(place / ".local/bin"), os.environ["PATH"])),
            "HOME": str(place),
            "LANG": "C.UTF-8",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_SYSTEM_CERTS": "true",  # as pip does: the network may have a CA of its own
            "PIP_NO_COMPILE": "1",  # little of all that is installed is started here
            "BW_NOINTERACTION": "true",
            **CACHES,
            **{name: value for name, value in os.environ.items() if OF_THE_CALLER.match(name)},
            **(env or {}),
        }
        done = subprocess.run(
            words, check=False, cwd=place, env=environment, stdin=subprocess.DEVNULL, capture_output=True
        )
        if done.returncode != status:
            sys.exit(f"{shlex.join(map(str, words))}: status {done.returncode}\n{done.stdout!r}\n{done.stderr!r}")
        return done.stdout + done.stderr

    def check(self, home: str, *words: str | Path, env: Mapping[str, str] | None = None) -> None:
        """Check that an installed bwrun tells its version, and fails with its own error where it has no credentials."""
        shown = self.run(home, *words, "--version", env=env)
        failed = self.run(home, *words, "--", "true", status=125, env=env)
        if f"bwrun {__version__}\n".encode() not in shown or FAILS not in failed:
            sys.exit(f"{shlex.join(map(str, words))} printed {shown!r} and {failed!r}")

    def pip(self) -> None:
        """Install with pip into a virtual environment."""
        venv = self.folder / "pip" / "venv"
        pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", venv]
        self.run("pip", self.python, "-m", "venv", "--without-pip", venv)
        self.run("pip", *pip, "install", "--require-hashes", "--requirement", LOCK)
        self.run("pip", *pip, "install", "--no-deps", self.wheel)
        self.run("pip", *pip, "check")
        self.check("pip", venv / "bin/bwrun")
        missing = [name for name in SHARED if not (venv / name).is_file()]
        if missing:
            sys.exit(f"the wheel did not install {missing}")
        for shell, name in SCRIPTS.items():
            if self.run("pip", venv / "bin/bwrun", "--completion", shell) != (venv / name).read_bytes():
                sys.exit(f"--completion {shell} does not print {name}")
        if shutil.which("man"):
            self.run("pip", "man", "-w", "bwrun", env={"MANPATH": str(venv / "share/man")})

    def pipx(self) -> None:
        """Install with pipx."""
        self.run(
            "pipx", sys.executable, "-m", "pipx", "install", "--python", self.python, "--backend", "pip",
            f"--pip-args=--constraint={self.versions}", str(self.wheel),
        )  # fmt: skip
        self.check("pipx", "bwrun")

    def uv_tool(self) -> None:
        """Install with `uv tool`, and run with uvx from the same wheel."""
        programs = self.folder / "uv" / "programs"
        self.run("uv", sys.executable, "-m", "pip", "install", "--no-deps", "--target", programs, self.uv)
        variables = {"UV_CONSTRAINT": str(LOCK), "UV_PYTHON": self.python, "UV_PYTHON_DOWNLOADS": "never"}
        self.run("uv", programs / "bin/uv", "--no-config", "tool", "install", self.wheel, env=variables)
        self.check("uv", "bwrun")
        self.check("uvx", programs / "bin/uvx", "--no-config", "--from", self.wheel, "bwrun", env=variables)


def _caches() -> dict[str, str]:
    """Return variables that let the tools share the caller's caches, though they have other homes."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return {"PIP_CACHE_DIR": str(home / "pip"), "UV_CACHE_DIR": str(home / "uv")}


CACHES = _caches()


def main(python: str, uv: str) -> None:
    """Install and start the package with each tool; end with a message if one fails."""
    with tempfile.TemporaryDirectory(prefix="bwrun-smoke-") as folder:
        smoke = Smoke(Path(folder), shutil.which(python) or python, uv)
        steps: list[Callable[[], None]] = [smoke.pip, smoke.pipx, smoke.uv_tool]
        for step in steps:
            started = time.monotonic()
            step()
            sys.stdout.write(f"{step.__name__}: works, {time.monotonic() - started:.0f} s\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
