"""What a test needs of the machine: where it is missing the test is skipped, but CI must have it."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

IS_CI = os.environ.get("CI") == "true"


def unavailable(why: str) -> NoReturn:
    """Skip the test; in CI, fail it."""
    if IS_CI:
        pytest.fail(why)
    pytest.skip(why)


def program(name: str, why: str, path: str | None = None) -> str:
    """Return a program's path, by default from PATH; without it the test is skipped, or fails, with `why`."""
    found = shutil.which(name, path=path)
    if found is None:
        unavailable(why)
    return found
