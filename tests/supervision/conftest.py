"""The option --thorough: every exit code and every signal, where the suite otherwise takes a handful."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --thorough (known when this folder is named on the command line)."""
    parser.addoption("--thorough", action="store_true", help="all 256 exit codes, all signals, more random moments")


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> None:
    """Skip the test without --thorough."""
    if not request.config.getoption("--thorough", default=False):
        pytest.skip("takes minutes: pytest tests/supervision --thorough")
