"""A fixture of the tests of `--login` and `--logout`."""

from __future__ import annotations

import pytest

from tests.support.kept import without_credentials
from tests.support.program import Surroundings


@pytest.fixture
def empty(ready: Surroundings) -> Surroundings:
    """Give surroundings with neither credentials nor a server nor a keyring."""
    return without_credentials(ready)
