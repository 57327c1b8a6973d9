"""The fixture of --thorough: every exit code and every signal, where the suite otherwise takes a handful."""

from __future__ import annotations

import pytest


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> None:
    """Skip the test without --thorough."""
    if not request.config.getoption("--thorough"):
        pytest.skip("takes minutes: --thorough")
