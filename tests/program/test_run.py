"""The main job: a command with a session, its words untouched, its status handed on, nothing left."""

from __future__ import annotations

import pytest

from tests.support.program import Surroundings


def test_runs_the_command_with_a_session(ready: Surroundings) -> None:
    """The command sees a session and its directory, and both are gone afterwards."""
    done = ready.run("--", "sh", "-c", 'echo "$BW_SESSION"; ls "$BITWARDENCLI_APPDATA_DIR"')

    assert (done.status, done.stderr) == (0, "")
    assert {"data.json"} <= set(done.stdout.split())
    assert ready.left() == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--", "printf", "[%s]", "a b", "--", "-v", ""], "[a b][--][-v][]"),
        (["printf", "[%s]", "a", "--", "b"], "[a][--][b]"),
        (["--", "printf", "[%s]", "--", "--"], "[--][--]"),
    ],
)
def test_words_arrive_untouched(ready: Surroundings, words: list[str], expected: str) -> None:
    """What stands after the first `--`, or after a first word that is no option, is the command's."""
    done = ready.run(*words)

    assert (done.status, done.stdout, done.stderr) == (0, expected, "")


@pytest.mark.parametrize("status", [0, 1, 2, 3, 125, 126, 127, 128, 255])
def test_hands_on_the_status(ready: Surroundings, status: int) -> None:
    """The exit code: bwrun ends with the command's own exit code."""
    assert ready.run("--", "sh", "-c", f"exit {status}").status == status
