"""What bwrun prints on stdout, and what it says if that cannot be written."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator

import pytest

from bwrun.base.errors import OutputError
from bwrun.base.output import write_out
from tests.server.control import Account
from tests.support.program import Surroundings


@pytest.fixture
def vault(account: Account) -> Account:
    """Use the usual account."""
    return account


@pytest.fixture
def standard_output() -> Iterator[int]:
    """Keep descriptor 1, for tests that put something else there."""
    kept = os.dup(1)
    yield kept

    os.dup2(kept, 1)
    os.close(kept)


def test_write_out(standard_output: int) -> None:
    """All of it arrives, as UTF-8 as far as it can be."""
    reader, writer = os.pipe()
    os.dup2(writer, 1)
    os.close(writer)
    status = write_out("grüße \udcff\n")
    os.dup2(standard_output, 1)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == "grüße \\udcff\n".encode()
    assert status == 0


def test_nobody_reads(standard_output: int) -> None:
    """If nobody reads it, the status is that of a failure, and nothing is raised."""
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)
    os.close(writer)

    assert write_out("x") == 125


def test_a_device_that_is_full(standard_output: int) -> None:
    """If it cannot be written, the error says why."""
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, 1)
    os.close(full)
    with pytest.raises(OutputError) as caught:
        write_out("x")
    os.dup2(standard_output, 1)

    assert caught.value.message == f"cannot write the output: {os.strerror(errno.ENOSPC)}"


PRINTING = [
    ["--help"],
    ["--version"],
    ["--clean"],
    ["--check"],
    ["--check", "--json"],
    ["--list"],
    ["--list", "--json"],
]
NO_SPACE = "bwrun: error: cannot write the output: No space left on device [output.write]\n"
CLOSED = "bwrun: error: cannot write the output: stdout is closed [output.write]\n"


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
@pytest.mark.parametrize(
    ("where", "status", "said"),
    [(">/dev/full", 125, NO_SPACE), (">&-", 125, CLOSED), (">/dev/null", 0, ""), ("<&- >/dev/null", 0, "")],
)
def test_where_the_output_goes(run_in: Surroundings, words: list[str], where: str, status: int, said: str) -> None:
    """On a full disk and with stdout closed, every option that prints something fails and says why."""
    done = run_in.run(*words, before=["sh", "-c", f'exec "$@" {where}', "sh"])

    assert (done.status, done.stderr) == (status, said)


WITHOUT_READER = """\
import os, sys
reader, writer = os.pipe()
os.close(reader)
os.dup2(writer, 1)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("words", [["--help"], ["--list"]], ids=" ".join)
def test_reader_has_gone(run_in: Surroundings, words: list[str]) -> None:
    """A reader that has read enough, as head(1), is no reason for a message; the status is not that of success."""
    done = run_in.run(*words, before=[sys.executable, "-c", WITHOUT_READER])

    assert (done.status, done.stderr) == (125, "")
