"""Windows is refused in one line, and no variable or file chooses the portable half."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.support.program import BWRUN, Surroundings
from tests.test_architecture import MODULES

ON_WINDOWS = "import sys; sys.platform = 'win32'; from bwrun.__main__ import main; sys.exit(main())"
WHICH_HALF = "from bwrun.system import calls, common; print(common.IS_LINUX, calls.wait_signal.__module__)"
PORTABLE = "False bwrun.system.portable_calls\n"
EVERYWHERE = {"_signal", "gc", "os", "sys", "time"}  # modules that Python for Windows has, too


def test_windows_is_refused_in_one_line() -> None:
    """Where Python says that this is Windows, bwrun ends with 125 and an error, before it imports more of itself."""
    words = [sys.executable, "-X", "importtime", "-c", ON_WINDOWS, "--", "true"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}

    assert (done.returncode, done.stdout) == (125, "")
    assert said == [
        "bwrun: error: bwrun needs Linux, macOS or another POSIX system, and this is Windows [config.windows]",
        "bwrun: hint: run it in the Windows Subsystem for Linux (WSL)",
    ]
    assert {name for name in imported if name.startswith("bwrun")} == {"bwrun", "bwrun.__main__"}


def test_nothing_before_that_is_missing_on_windows() -> None:
    """What the first module imports at its start is in every Python."""
    tree = ast.parse(MODULES["__main__"].read_text())
    imported = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}

    assert imported == EVERYWHERE
    assert not [node for node in tree.body if isinstance(node, ast.ImportFrom)]


def half(*options: str, **variables: str) -> str:
    """Return which half a Python with these options and variables uses."""
    done = subprocess.run(
        [sys.executable, *options, "-c", WHICH_HALF], check=True, capture_output=True, text=True, env=variables
    )
    return done.stdout


def test_option_of_python_chooses_the_portable_half() -> None:
    """`-X bwrun-portable` chooses it, and without it Linux gets its own."""
    assert half("-X", "bwrun-portable") == PORTABLE
    assert half("-X", "bwrun-portable", "-I") == PORTABLE
    assert half() == ("True bwrun.system.linux_calls\n" if sys.platform == "linux" else PORTABLE)


def test_no_variable_chooses_a_half() -> None:
    """A variable, which a `.env` could set, has no influence."""
    names = ("BWRUN_PORTABLE", "PYTHONXOPTIONS", "PYTHON_BWRUN_PORTABLE", "BWRUN_TESTS_PORTABLE")

    assert half(**dict.fromkeys(names, "1")) == half()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--kill-leftovers", "--", "true"), "`--kill-leftovers` works on Linux only"),
    ],
)
def test_option_is_refused_outside_linux(ready: Surroundings, words: tuple[str, ...], why: str) -> None:
    """What only Linux can do is refused in the portable half before anything is asked or sent."""
    done = subprocess.run(
        [sys.executable, "-X", "bwrun-portable", BWRUN, *words], check=False, capture_output=True, text=True,
        env=ready.environment, cwd=ready.work,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith(f"bwrun: error: {why}")
    assert "[config.linux-only]" in done.stderr
