"""Running the installed `bwrun` as a process, in surroundings that are empty but for what a test puts there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.server.control import Account, BitwardenServer

INSTALLED = Path(sys.executable).with_name("bwrun")
# With `pytest --portable`, the half of bwrun is tested that is for other systems than Linux.
IS_PORTABLE = "--portable" in sys.argv or os.environ.get("BWRUN_TESTS_PORTABLE") == "1"


def _portable_script() -> Path:
    """Return a copy of the script `bwrun` whose first line has the option of Python that chooses the portable half."""
    os.environ["BWRUN_TESTS_PORTABLE"] = "1"  # for the workers of pytest-xdist, which have another command line
    copy = Path(sys.prefix, "portable", "bwrun")
    copy.parent.mkdir(exist_ok=True)
    first, _, rest = INSTALLED.read_text().partition("\n")
    new = copy.with_name(f"bwrun.{os.getpid()}")
    new.write_text(f"{first} -Xbwrun-portable\n{rest}")
    new.chmod(0o755)
    return new.replace(copy)


BWRUN = _portable_script() if IS_PORTABLE else INSTALLED
LATER = "bwrun"  # the directory for what later runs need
TIMEOUT = 240  # seconds: only what hangs takes so long, on a busy machine too


@dataclass(frozen=True)
class Ended:
    """How a run ended: its status (negative: the signal), and what it printed."""

    status: int
    stdout: str
    stderr: str

    @property
    def codes(self) -> list[str]:
        """Return the codes in brackets of the error lines on stderr."""
        errors = [line for line in self.stderr.splitlines() if line.startswith("bwrun: error: ")]
        return [line.rpartition("[")[2].removesuffix("]") for line in errors]


@dataclass
class Surroundings:
    """A home, a working directory, a runtime directory and an environment, all of one test alone."""

    home: Path
    work: Path
    runtime: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path, runtime: Path | None = None) -> Surroundings:
        """Make the directories below `root`; `runtime` is there already, and by default is made there too."""
        for name in ("home", "work", *(["runtime"] if runtime is None else [])):
            (root / name).mkdir(mode=0o700)
        runtime = runtime or root / "runtime"
        environment = {
            "PATH": os.defpath + os.pathsep + os.environ["PATH"],
            "HOME": str(root / "home"),
            "XDG_RUNTIME_DIR": str(runtime),
            "LANG": "C.UTF-8",
        }
        return cls(root / "home", root / "work", runtime, environment)

    def left(self) -> list[str]:
        """Return what lies in the runtime directory: no session, when no run is on; what is for later runs may stay."""
        return sorted(path.name for path in self.runtime.iterdir() if path.name != LATER)

    def use(self, server: BitwardenServer, account: Account | None = None) -> None:
        """Set the variables for `server`, and for `account` the three credentials."""
        self.environment |= {"BWRUN_SERVER": server.url, "SSL_CERT_FILE": str(server.ca_file)}
        if account is not None:
            self.environment |= {
                "BW_CLIENTID": account.client_id,
                "BW_CLIENTSECRET": account.client_secret,
                "BW_PASSWORD": account.master_password,
            }

    def full_environment(self, changes: Mapping[str, str | None]) -> dict[str, str]:
        """Return the environment with `changes`; None takes a variable away."""
        merged = {**self.environment, **changes}
        return {name: value for name, value in merged.items() if value is not None}

    def run(
        self,
        *words: str | Path,
        env: Mapping[str, str | None] | None = None,
        stdin: str | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
        before: Sequence[str] = (),
    ) -> Ended:
        """
        Run `bwrun WORDS…` without a terminal, in a session of its own, and wait for it.

        `before`: the words of a command that becomes bwrun, such as `nsenter`.
        """
        return self.run_program(*before, BWRUN, *words, env=env, stdin=stdin, cwd=cwd, pass_fds=pass_fds)

    def run_program(
        self,
        *words: str | Path,
        env: Mapping[str, str | None] | None = None,
        stdin: str | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Ended:
        """Run a program without a terminal, in a session of its own, and wait for it."""
        done = subprocess.run(
            words,
            check=False,
            env=self.full_environment(env or {}),
            cwd=cwd or self.work,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=TIMEOUT,
            start_new_session=True,
            pass_fds=pass_fds,
        )
        return Ended(done.returncode, done.stdout, done.stderr)
