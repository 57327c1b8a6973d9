"""
`make build`: write the sdist and the wheel to dist/.

Whoever builds the same commit gets the same bytes: flit sorts the files and gives all of them the same owner and modes,
and SOURCE_DATE_EPOCH is their time.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.support.pages import ROOT

DIST = ROOT / "dist"
EARLIEST = 315532800  # seconds since 1970: 1980-01-01, the earliest time that a zip file can hold

_BUILD = "import sys, flit_core.buildapi as build; print(getattr(build, sys.argv[1])(sys.argv[2]))"


def build(source: Path, target: Path, epoch: int) -> tuple[Path, Path]:
    """
    Build the sdist of the checkout `source`, and from it the wheel; return the paths of both.

    `epoch` is the time of the files, in seconds since 1970.

    Raises subprocess.CalledProcessError: flit refuses.
    """
    target.mkdir(parents=True, exist_ok=True)
    sdist = _run_flit("build_sdist", source, target, epoch)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python has it from 3.11.4 on
            archive.extractall(folder)  # noqa: S202  (our own archive)
        (unpacked,) = Path(folder).iterdir()
        return sdist, _run_flit("build_wheel", unpacked, target, epoch)


def _run_flit(step: str, source: Path, target: Path, epoch: int) -> Path:
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, step, target],
        check=True, cwd=source, env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return target / done.stdout.strip()


def epoch_of(checkout: Path) -> int:
    """Return SOURCE_DATE_EPOCH, or else the time of the last commit, in seconds since 1970; without git EARLIEST."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    try:
        done = subprocess.run(
            ["git", "log", "-1", "--format=%ct"], check=True, cwd=checkout, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return EARLIEST
    return int(done.stdout)


if __name__ == "__main__":
    for path in build(ROOT, DIST, epoch_of(ROOT)):  # as sha256sum prints it
        sys.stdout.write(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ROOT)}\n")
