"""What the documentation says is what the program does; `test_commands` runs its command lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from bwrun.base import errors
from bwrun.base.errors import STATUS_FAILED, STATUS_NOT_EXECUTABLE, STATUS_NOT_FOUND, BwrunError
from bwrun.base.timings import PHASES
from bwrun.settings import option_names, sources
from bwrun.settings.config import DEFAULT_TIMEOUT
from bwrun.settings.help_text import HELP
from bwrun.settings.presented import CLIENT_VERSION
from bwrun.settings.sources import variable_name
from tests.doctor import STEPS
from tests.support.pages import ROOT, Page, page, pages

README = page("README.md")
RECIPES = page("docs/recipes/README.md")
SETTINGS = page("docs/settings.md").section("All settings")
OPTIONS = option_names.VALUE_OPTIONS + option_names.LIST_OPTIONS + option_names.FLAG_OPTIONS
OTHERS = (
    "env",
    "check",
    "list",
    "get",
    "export",
    "json",
    "clean",
    "print-user-key",
    "login",
    "logout",
    "doctor",
    "completion",
    "version",
    "help",
)  # have no variable
DOCS = [one for one in pages() if one.name != README.name]


def test_readme_shows_the_help() -> None:
    """The help in the README is the help the program prints."""
    shown = re.search(r"<!-- help -->\n```\n(.*?)```\n<!-- /help -->", README.text, re.DOTALL)

    assert shown is not None
    assert shown.group(1) == HELP


def test_help_fits_a_screen() -> None:
    """The help needs no more than 40 lines of 80 columns."""
    lines = HELP.splitlines()

    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80


def test_help_names_each_option() -> None:
    """Every option the parser knows is in the help, and no other."""
    named = set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", HELP.partition("Environment:")[0]))

    assert named == {*OPTIONS, *OTHERS}


@pytest.mark.parametrize("option", OPTIONS)
def test_settings_table_has_each_option(option: str) -> None:
    """Every option stands in the table of settings, beside its variable."""
    assert re.search(rf"`--{option}[ `].*`{variable_name(option)}`", SETTINGS)


def test_settings_table_has_the_defaults() -> None:
    """The defaults that a person may rely on are those of the program."""
    assert f"| `BWRUN_TIMEOUT` | {DEFAULT_TIMEOUT:g} |" in SETTINGS
    assert f"| `BWRUN_CLIENT_VERSION` | {CLIENT_VERSION} |" in SETTINGS


@pytest.mark.parametrize(
    "name", [*sources.CREDENTIALS, *sources.CREDENTIAL_FILES, sources.USER_KEY, sources.USER_KEY_FILE]
)
def test_settings_table_has_each_credential(name: str) -> None:
    """Every credential, and the variable for its file, stands in the table of settings."""
    assert f"`{name}`" in SETTINGS


def test_variables_in_the_settings_table_are_read() -> None:
    """Every variable in the table of settings is one that the program reads."""
    named = set(re.findall(r"`(BW[A-Z]*_[A-Z_]+)`", SETTINGS))
    in_source = set(re.findall(r"\bBW[A-Z]*_[A-Z_]+\b", "".join(source_texts())))

    assert named - in_source - {*map(variable_name, OPTIONS), *sources.CREDENTIAL_FILES} == set()


def test_options_in_the_pages_exist() -> None:
    """Every option that begins a code span is one of bwrun's."""
    named = {option for one in pages() for option in re.findall(r"`--([a-z][a-z-]*)", one.prose)}

    assert named - {*OPTIONS, *OTHERS} == set()


def test_table_of_exit_statuses() -> None:
    """The statuses of a failure are in the table of exit statuses."""
    table = page("docs/signals.md").section("Exit status")
    numbers = set(map(int, re.findall(r"^\| (\d+) \|", table, re.MULTILINE)))

    assert numbers == {STATUS_FAILED, STATUS_NOT_EXECUTABLE, STATUS_NOT_FOUND}


def test_table_of_timings() -> None:
    """Every phase that --timings prints is in the table of phases, and no other."""
    table = page("docs/performance.md").section("Timings of one run")

    assert set(PHASES) == set(re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE))


def test_table_of_the_doctor() -> None:
    """Every step of --doctor is in the table of steps, in order, and no other."""
    table = page("docs/doctor.md").section("The steps")
    rows = [name for name in re.findall(r"^\| `([a-z-]+)`", table, re.MULTILINE) if not name.startswith("api-")]

    assert rows == list(STEPS)


def test_table_of_rooms() -> None:
    """Every room is in the table of rooms, and no other; every module outside of the rooms is in the table below it."""
    section = page("docs/architecture.md").section("Rooms")
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE))
    inside = {path.stem for path in (ROOT / "bwrun").iterdir() if not path.name.startswith((".", "__pycache", "py."))}

    assert rows == inside - {"__init__"}


def source_texts() -> list[str]:
    """Return the text of each module."""
    return [path.read_text() for path in sorted((ROOT / "bwrun").rglob("*.py"))]


# Where the reason is no constant beside the class, or the code is written by the supervisor, which has no classes.
ELSEWHERE = {
    "config.timeout", "config.kill-after", "config.jitter", "session.no-directory", "session.runtime-dir",
    "session.unguarded", "session.not-cleared", "mask.killed", "mask.output", "config.windows", "internal",
}  # fmt: skip
NEVER_PRINTED = {"config.several", "reference.failed", "reference.unresolved"}  # each failure has a code of its own


def error_codes() -> set[str]:
    """Return every code that the source can print, as family.reason."""
    classes = {name: one for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, BwrunError)}
    found = set(ELSEWHERE)
    for text in source_texts():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in classes:
                one = classes[node.func.id]
                if "__init__" not in vars(one):
                    found |= {f"{one.family}.{reason}" for reason in constants(node.args[0])}
    for definition in ast.parse((ROOT / errors.__name__.replace(".", "/")).with_suffix(".py").read_text()).body:
        if isinstance(definition, ast.ClassDef):
            found |= {f"{classes[definition.name].family}.{reason}" for reason in fixed_reasons(definition)}
    return found - NEVER_PRINTED


def constants(argument: ast.expr) -> set[str]:
    """Return the texts that an argument can be, as far as they are written there."""
    choices = (argument.body, argument.orelse) if isinstance(argument, ast.IfExp) else (argument,)
    return {str(choice.value) for choice in choices if isinstance(choice, ast.Constant)}


def fixed_reasons(definition: ast.ClassDef) -> Iterator[str]:
    """Give the reason that a class's `__init__` passes to its parent's."""
    for node in ast.walk(definition):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "__init__":
            yield from constants(node.args[0])


def test_page_of_errors_has_each_code() -> None:
    """Every error code has its row in the page of errors, below the heading of its family; no other code has one."""
    named = set()
    family = ""
    for line in page("docs/errors.md").text.splitlines():
        if line.startswith("## "):
            family = line.removeprefix("## ").partition(":")[0]
        if line.startswith("| `"):
            codes = set(re.findall(r"`([a-z.0-9-]+)`", line.split("|")[1]))

            assert {code.partition(".")[0] for code in codes} == {family}
            named |= codes
    codes = error_codes()

    assert len(codes) > 80
    assert named == codes


@pytest.mark.parametrize("code", sorted(ELSEWHERE))
def test_codes_that_are_no_constants(code: str) -> None:
    """The parts of a code that the source does not write beside a class are in the source all the same."""
    reason = code.rpartition(".")[2]

    assert any(re.search(rf"[\"\[.]{reason}[\"\]]", text) for text in source_texts())


@pytest.mark.parametrize("one", pages(), ids=lambda one: one.name)
def test_links(one: Page) -> None:
    """Every link within the repository leads to a page that is there, and to a heading of that page."""
    for link in one.links():
        path, _, anchor = link.partition("#")
        target = (one.path.parent / path).resolve() if path else one.path

        assert target.exists(), link
        assert not anchor or anchor in page(str(target.relative_to(ROOT))).anchors(), link


@pytest.mark.parametrize("one", pages(), ids=lambda one: one.name)
def test_paths(one: Page) -> None:
    """Every path of the repository that a page names is there."""
    for path in re.findall(r"`((?:bwrun|tests|docs)/[\w./]*)`", one.prose):
        assert (ROOT / path).exists(), path


def test_readme_leads_to_each_page() -> None:
    """Every page is in the README's list of where to go on; the recipes are in the list of recipes."""
    linked = set(re.findall(r"\]\((docs/[^)#]+)\)", README.section("Where to go on")))
    recipes = set(re.findall(r"\]\(([^)#/]+)\)", RECIPES.text))

    assert {one.name for one in DOCS} == linked | {f"docs/recipes/{name}" for name in recipes}


def test_readme_names_the_first_two_commands() -> None:
    """README names the two commands that do all the set-up."""
    assert "`make demo`" in README.prose
    assert "`make test`" in README.prose


def test_readme_is_short() -> None:
    """README is a screen and a half, and the help."""
    assert README.text.replace(HELP, "").count("\n") < 120
