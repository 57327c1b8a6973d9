"""
A runner of GitHub Actions, as far as a composite action of ours needs one.

Steps run as the real one runs them (github.com/actions/runner: src/Runner.Worker/Handlers/ScriptHandler.cs,
CompositeActionHandler.cs, FileCommandManager.cs, ActionCommandManager.cs): each script in a file of its own, with the
files for variables and for PATH, and a log in which what `::add-mask::` named does not show.
"""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.support.program import BWRUN, TIMEOUT, Surroundings

SHELLS = {"bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail")}
EXPRESSION = re.compile(r"\$\{\{ inputs\.([\w-]+) \}\}")
CONDITION = re.compile(r"(?:inputs\.([\w-]+)|runner\.os) (==|!=) '([^']*)'")


def load_action(path: Path) -> dict[str, Any]:
    """Return what the action's file says."""
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(path)
    return loaded


@dataclass
class Runner:
    """A job that is on: what its steps have set, and its log."""

    surroundings: Surroundings
    folder: Path
    system: str = "Linux"
    variables: dict[str, str] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    masks: set[str] = field(default_factory=set)
    log: str = ""

    @property
    def temp(self) -> Path:
        """Return RUNNER_TEMP, which is empty when a job begins."""
        path = self.folder / "temp"
        path.mkdir(exist_ok=True)
        return path

    def use(self, path: Path, inputs: Mapping[str, str]) -> bool:
        """Run a composite action; return whether it succeeded."""
        action = load_action(path)
        unknown = inputs.keys() - action["inputs"].keys()
        assert not unknown, f"the runner warns of inputs that the action does not have: {unknown}"
        given = {name: inputs.get(name, one.get("default", "")) for name, one in action["inputs"].items()}
        succeeded = True
        for step in action["runs"]["steps"]:
            if not self._is_on(step.get("if"), given, succeeded=succeeded):
                continue
            values = {name: self._evaluate(text, given) for name, text in step.get("env", {}).items()}
            values["GITHUB_ACTION_PATH"] = str(path.parent)
            succeeded &= self.run(self._evaluate(step["run"], given), values, step["shell"])
        return succeeded

    def run(self, script: str, environment: Mapping[str, str] | None = None, shell: str = "bash") -> bool:
        """Run the script of one step; return whether it succeeded."""
        commands = {name: self.folder / f"{name}-{uuid.uuid4()}" for name in ("GITHUB_ENV", "GITHUB_PATH")}
        for command in commands.values():
            command.touch()
        file = self.temp / f"{uuid.uuid4()}.sh"
        file.write_text(script)
        done = subprocess.run(
            [*SHELLS[shell], file],
            check=False,
            cwd=self.surroundings.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT,
            env={
                **self.surroundings.environment,
                "GITHUB_ACTIONS": "true",
                "RUNNER_TEMP": str(self.temp),
                **self.variables,
                **(environment or {}),
                **{name: str(path) for name, path in commands.items()},
                "PATH": os.pathsep.join((*reversed(self.path), self.surroundings.environment["PATH"])),
            },
        )
        file.unlink()
        self._write_log(done.stderr)  # what tells the runner its masks; bwrun does that before the command starts
        self._write_log(done.stdout)
        self.variables |= read_variables(commands["GITHUB_ENV"].read_text())
        self.path += commands["GITHUB_PATH"].read_text().splitlines()
        return done.returncode == 0

    def _write_log(self, output: str) -> None:
        for line in output.splitlines():
            if line.startswith("::add-mask::"):
                text = line.removeprefix("::add-mask::")
                text = text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
                self.masks |= {text, *text.splitlines()} - {""}
                continue
            for mask in sorted(self.masks, key=len, reverse=True):
                line = line.replace(mask, "***")  # noqa: PLW2901  (one mask after the other)
            self.log += f"{line}\n"

    def _is_on(self, condition: str | None, inputs: Mapping[str, str], *, succeeded: bool) -> bool:
        """Evaluate `if`: a comparison with a text, `always()`, or nothing."""
        if condition == "always()":
            return True
        if condition is None or not succeeded:
            return succeeded
        compared = CONDITION.fullmatch(condition)
        assert compared is not None, f"the runner does not know this condition: {condition}"
        left = self.system if compared[1] is None else inputs[compared[1]]
        return (left.lower() == compared[3].lower()) == (compared[2] == "==")  # texts are compared without case

    def _evaluate(self, text: str, inputs: Mapping[str, str]) -> str:
        """Put the inputs where the text names them, as text, in scripts too: that is how injections happen."""
        return EXPRESSION.sub(lambda found: inputs[found[1]], text)


def read_variables(text: str) -> dict[str, str]:
    """Return the variables of a file for GITHUB_ENV: `NAME=value`, or `NAME<<END`, lines, `END`."""
    found, lines = {}, iter(text.split("\n"))
    for line in lines:
        name, sign, rest = line.partition("<<")
        if sign and "=" not in name:
            value = []
            while (line := next(lines)) != rest:
                value.append(line)
            found[name] = "\n".join(value)
        elif line:
            name, sign, rest = line.partition("=")
            assert sign, f"the runner refuses this line: {line}"
            found[name] = rest
    return found


def make_runner(surroundings: Surroundings, *, installed: bool = True) -> Runner:
    """Return a runner for a new job, on whose PATH bwrun may be installed."""
    folder = surroundings.home / "runner"
    folder.mkdir()
    runner = Runner(surroundings, folder)
    if installed:
        runner.path.append(str(BWRUN.parent))
    return runner
