"""What bwrun prints can be read, moves no cursor, and never stops it."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bwrun.base.console import Console, place_of, printable
from bwrun.base.errors import ConfigError, CredentialError

ANY_TEXT = st.text(st.characters(exclude_categories=()))


def console(*, verbose: bool = False) -> Console:
    """Return a console that was started now."""
    return Console(verbose=verbose, started=time.monotonic())


@settings(deadline=None)  # a loaded machine is no failure
@given(ANY_TEXT)
@example("\x1b[2J\x07\r\n\x9b2J")
@example("\udcc2\udc9b2J")  # bytes that are no text, and together are U+009B: JSON can say that
@example("\udc1b\ud800\udfff")
@example("\u202eright to left\u2066\u200b\ufeff\u2028")
@example("\U000e0001\U0010ffff\x7f")
def test_text_cannot_move_the_cursor(text: str) -> None:
    """Whatever a server or a file name holds, what is printed is valid UTF-8 and printable to the last character."""
    assert printable(text).encode("utf-8").decode("utf-8").isprintable()


@settings(deadline=None)  # a loaded machine is no failure
@given(ANY_TEXT)
def test_readable_text_stays(text: str) -> None:
    """The printable characters of a text stay in their order, whatever stands between them."""
    kept = "".join(char for char in text if char.isprintable())
    shown = iter(printable(text))

    assert all(char in shown for char in kept)


@pytest.mark.parametrize("text", ["", "plain", "grüße naïve ¿qué?", "日本語 العربية", "a b  c", "C:\\dir\\n"])
def test_printable_text_is_unchanged(text: str) -> None:
    """Text without control characters is printed as it is, in every script."""
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb", "a\\nb"), ("\x1b[0m", "\\x1b[0m"), ("\t", "\\t"), ("\u202e", "\\u202e"), ("\x9b", "\\x9b")],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    """A control character is shown as Python would write it."""
    assert printable(text) == shown


def test_error_and_hints(capfd: pytest.CaptureFixture[str]) -> None:
    """An error is one line with its code in brackets, then a line for each hint; stdout stays empty."""
    console().print_error(CredentialError("missing", "not set: BW_CLIENTID", "set it", "or not"))

    out, err = capfd.readouterr()
    assert out == ""
    assert err == (
        "bwrun: error: not set: BW_CLIENTID [credentials.missing]\nbwrun: hint: set it\nbwrun: hint: or not\n"
    )


def test_an_error_stays_on_its_line(capfd: pytest.CaptureFixture[str]) -> None:
    """A message with line ends in it, from a server or a file's name, is still one line."""
    console().print_error(ConfigError("env-file", "cannot read `a\nbwrun: error: forged\r`", "look at `\x1b[2J`"))

    assert capfd.readouterr().err.splitlines() == [
        "bwrun: error: cannot read `a\\nbwrun: error: forged\\r` [config.env-file]",
        "bwrun: hint: look at `\\x1b[2J`",
    ]


def test_warning(capfd: pytest.CaptureFixture[str]) -> None:
    """A warning is printed with its hints, `-v` or not."""
    console().warn("`.env` can be read by others", "chmod 600 .env")

    assert capfd.readouterr().err == "bwrun: warning: `.env` can be read by others\nbwrun: hint: chmod 600 .env\n"


def test_steps_are_for_verbose(capfd: pytest.CaptureFixture[str]) -> None:
    """A step is printed with the time since the start, and only with `-v`."""
    console().step("unseen")
    console(verbose=True).step("seen")

    assert re.fullmatch(r"bwrun: +0\.\d{3} s  seen\n", capfd.readouterr().err)


def fail_somewhere() -> None:
    """Raise an exception with a secret in its text, from a function of bwrun's."""
    Console(verbose=True, started="hunter2").step("")  # type: ignore[arg-type]


def test_internal_errors_show_no_text(capfd: pytest.CaptureFixture[str]) -> None:
    """Of an exception that nobody expected, type and place are printed, never its text."""
    console().print_internal_error(ValueError("hunter2"))

    err = capfd.readouterr().err
    assert err.startswith("bwrun: error: internal error: ValueError in ")
    assert "hunter" not in err
    assert err.splitlines()[0].endswith(" [internal]")


def test_place_is_the_innermost_of_bwruns_own() -> None:
    """The place of an error is the file and line of bwrun's code where it was raised; without any it is unknown."""
    with pytest.raises(TypeError) as caught:
        fail_somewhere()
    assert re.fullmatch(r"console\.py:\d+", place_of(caught.value))
    assert place_of(ValueError()) == "?"


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_a_lost_stderr_changes_nothing(where: str) -> None:
    """With a stderr that is closed or full, the program goes on."""
    code = (
        "from bwrun.base.console import Console; c = Console(verbose=True, started=0); c.step('x'); c.warn('x');"
        "c.print_internal_error(ValueError()); print('went on')"
    )
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {where}', "sh", sys.executable, "-c", code], capture_output=True, check=True
    )

    assert done.stdout == b"went on\n"
