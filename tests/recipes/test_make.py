"""docs/recipes/make.md: what it says beside its command lines, which tests/test_commands.py runs."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.server.control import BitwardenServer
from tests.support.pages import page
from tests.support.program import BWRUN, TIMEOUT, Surroundings
from tests.support.pty_session import CTRL_C, Shell

PAGE = page("docs/recipes/make.md")


@pytest.fixture
def maker(ready: Surroundings) -> Surroundings:
    """Give surroundings with bwrun on the PATH."""
    ready.environment["PATH"] = os.pathsep.join((str(BWRUN.parent), ready.environment["PATH"]))
    return ready


def make(maker: Surroundings, makefile: str, *words: str, before: tuple[str, ...] = ()) -> str:
    """Run make on a Makefile; return what it prints on both streams."""
    (maker.work / "Makefile").write_text(makefile)
    done = subprocess.run(
        [*before, "make", *words],
        check=True,
        cwd=maker.work,
        env=maker.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=TIMEOUT,
    )
    return done.stdout


def test_parallel_recipes_are_one_login(maker: Surroundings, server: BitwardenServer) -> None:
    """Twelve recipes of the page at once, below one bwrun, are one login and one download."""
    shown = PAGE.below("bwrun in a recipe").file("Makefile")
    recipe = shown.partition("report:\n")[2]
    targets = [f"report-{number}" for number in range(12)]
    rules = "".join(f"{target}:\n{recipe}" for target in targets)
    printed = make(maker, rules, "-j12", *targets, before=("bwrun", "--"))

    assert printed.splitlines() == ["the password has 4 characters"] * 12
    assert [request.path for request in server.requests()].count("/api/sync") == 1
    assert server.logins() == 1


def test_value_in_a_make_variable_is_printed(maker: Surroundings) -> None:
    """`$(DB_PASSWORD)` is in the line that make prints, and loses a `$`; `$$DB_PASSWORD` is not and does not."""
    maker.environment["DB_PASSWORD"] = "p4$s"
    makefile = "show:\n\techo '$(DB_PASSWORD)'\n\techo \"$$DB_PASSWORD\"\n"

    assert make(maker, makefile, "show").splitlines() == ["echo 'p4'", "p4", 'echo "$DB_PASSWORD"', "p4$s"]


def test_assignment_in_the_makefile_wins(maker: Surroundings) -> None:
    """`export NAME =` in a Makefile hides the value of an outer bwrun, and `?=` on the page does not."""
    shown = PAGE.below("One bwrun around make").text.partition("export DB_PASSWORD ?= ")[2].partition("\n")[0]
    recipe = '\nshow:\n\t@echo "$$DB_PASSWORD"\n'
    before = ("bwrun", "-e", "DB_PASSWORD=bw://prod-db/password", "--")

    assert make(maker, f"export DB_PASSWORD ?= {shown}{recipe}", "show", before=before) == "p4ss\n"
    assert make(maker, f"export DB_PASSWORD = {shown}{recipe}", "show", before=before) == f"{shown}\n"


def test_dry_run(maker: Surroundings, server: BitwardenServer) -> None:
    """With -n, no bwrun starts: not in a recipe and not as the shell of a target; but in a line with $(MAKE)."""
    in_recipe = PAGE.below("bwrun in a recipe").file("Makefile")
    as_shell = PAGE.below("bwrun as the shell of a target").file("Makefile")
    make(maker, in_recipe, "-n", "all")
    make(maker, as_shell, "-n", "migrate")

    assert server.requests() == []

    make(maker, "sub:\n\t@bwrun -- $(MAKE) -f /dev/null -n || true\n", "-n", "sub")

    assert server.logins() == 1


def test_prerequisites_of_a_target_with_bwrun(maker: Surroundings) -> None:
    """Without `private`, the variables of a target are those of its prerequisites too."""
    shown = PAGE.below("bwrun as the shell of a target").file("Makefile")
    (maker.work / "migrate").touch()
    without = re.sub(r"\t@\./migrate\n", "", shown.replace("private ", ""))

    assert "built with p4ss" in make(maker, without, "-B", "migrate")


def test_ctrl_c(maker: Surroundings) -> None:
    """Ctrl-C ends the command below bwrun in a recipe, and make says so and removes the unfinished target."""
    (maker.work / "Makefile").write_text(
        "slow:\n\t@bwrun -- sh -c ': >slow; echo u''p; exec sleep 600'\nnext: slow\n\t@echo never\n"
    )
    with Shell.open(maker) as shell:
        shell.type("make next\n")
        shell.wait_for("\nup\n")
        shell.type(CTRL_C)
        shell.prompt()

        assert "slow] Interrupt" in shell.screen
        assert "never" not in shell.screen
        assert shell.ask('echo "<$?>"') in {"<2>", "<130>"}
    assert not (maker.work / "slow").exists()
