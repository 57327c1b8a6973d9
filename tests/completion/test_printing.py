"""`--completion` prints the script of a shell."""

from __future__ import annotations

import os
import subprocess

import pytest

from bwrun.completion.scripts import SCRIPTS
from tests.completion.__main__ import DATA
from tests.support import needs
from tests.support.program import BWRUN, Surroundings


def test_script_is_printed(bare: Surroundings) -> None:
    """The script is printed as it is installed, without credentials and without a server."""
    for shell, name in SCRIPTS.items():
        ended = bare.run("--completion", shell)

        assert (ended.status, ended.stderr) == (0, "")
        assert ended.stdout == (DATA / name).read_text()


@pytest.mark.parametrize("shell", ["tcsh", "", "../zsh"])
def test_unknown_shell(bare: Surroundings, shell: str) -> None:
    """For another shell there is an error that names the three, and nothing on stdout."""
    ended = bare.run("--completion", shell)

    assert (ended.status, ended.codes, ended.stdout) == (125, ["usage.completion"], "")
    assert "hint: use one of `bash`, `zsh`, `fish`" in ended.stderr


SOURCED = {
    "bash": ("source <(bwrun --completion bash); complete -p bwrun", "-F _bwrun bwrun"),
    "zsh": ("autoload -Uz compinit; compinit -u -D; source <(bwrun --completion zsh); print $_comps[bwrun]", "_bwrun"),
    "fish": ("bwrun --completion fish | source; complete -C 'bwrun --pri'", "--print-user-key"),
}


@pytest.mark.parametrize("shell", SOURCED)
def test_script_can_be_sourced(bare: Surroundings, shell: str) -> None:
    """A shell can read the script as it is printed, without a file, as docs/installing.md says."""
    line, answer = SOURCED[shell]
    path = f"{BWRUN.parent}{os.pathsep}{bare.environment['PATH']}"
    done = subprocess.run(
        [needs.program(shell, f"{shell} is not installed"), "-c", line],
        check=False, env={**bare.environment, "PATH": path}, cwd=bare.work, capture_output=True, text=True,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert answer in done.stdout
