"""Windows is refused in one line, and no variable or file chooses the portable half."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.server.control import BitwardenServer
from tests.support.program import BWRUN, Surroundings
from tests.support.terminal import Terminal
from tests.test_architecture import MODULES

ON_WINDOWS = "import sys; sys.platform = 'win32'; from bwrun.__main__ import main; sys.exit(main())"
WHICH_HALF = "from bwrun.system import calls, common; print(common.IS_LINUX, calls.wait_signal.__module__)"
PORTABLE = "False bwrun.system.portable_calls\n"
FORCED = [sys.executable, "-Xbwrun-portable"]
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


def test_killing_leftovers_is_refused_outside_linux(ready: Surroundings) -> None:
    """`--kill-leftovers` is refused in the portable half."""
    done = ready.run("--kill-leftovers", "--", "true", before=FORCED)

    assert (done.status, done.stdout, done.codes) == (125, "", ["config.linux-only"])
    assert done.stderr.startswith("bwrun: error: `--kill-leftovers` works on Linux only")


def test_masking_on_a_terminal_is_refused_outside_linux(ready: Surroundings, server: BitwardenServer) -> None:
    """`--mask` is refused in the portable half on a terminal, before anything is sent; with a pipe it works."""
    words = ["--mask", "-e", "PW=bw://prod-db/password", "--", "sh", "-c", "echo $PW-end"]
    with Terminal.start([*FORCED, BWRUN, *words], ready.environment, ready.work) as terminal:
        assert terminal.ended() == 125
        assert "[config.linux-only]" in terminal.screen
    assert server.requests() == []
    assert ready.run(*words, before=FORCED).stdout == "<concealed by bwrun>-end\n"


def test_cache_needs_a_chosen_directory_outside_linux(ready: Surroundings, tmp_path: Path) -> None:
    """Where no file system in RAM is known, `--cache` says so; in a directory that was chosen it works."""
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    done = ready.run("--cache", "--", "true", env={"XDG_RUNTIME_DIR": None, "TMPDIR": str(folder)}, before=FORCED)
    chosen = ready.run("--cache", "--", "true", env={"BWRUN_CACHE_DIR": str(folder)}, before=FORCED)

    assert done.status == 0
    assert "this system has no file system in RAM that bwrun knows" in done.stderr
    assert (chosen.status, chosen.stderr) == (0, "")
    assert len(list(folder.iterdir())) >= 1
