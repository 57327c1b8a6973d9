"""What a run wants of the vault: which variables are references, who wins, and all that is wrong at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwrun.base.console import Console
from bwrun.base.errors import UnresolvedReferencesError, UsageError
from bwrun.command.environment import command_environment
from bwrun.injection.requested import RequestedSecrets, find_requested_secrets
from bwrun.references.grammar import Reference, is_id, parse
from bwrun.settings.command_line import parse as parse_words
from bwrun.settings.config import load_config

ID = "01234567-89ab-cdef-0123-456789abcdef"
IDS = [f"01234567-89ab-cdef-0123-4567890000{number:02d}" for number in range(11)]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where there is no `.env`."""
    monkeypatch.chdir(tmp_path)


def wanted(*words: str, **environment: str) -> RequestedSecrets | None:
    """Return what `bwrun WORDS… -- true` wants in an environment."""
    config = load_config(parse_words([*words, "--", "true"] if words else ["--", "true"]), environment)
    variables = command_environment(config.sources, config.passed, config.assignments, {})
    return find_requested_secrets(config, variables, Console(verbose=False, started=0), nested=False)


def wrong(*words: str, **environment: str) -> dict[str, str]:
    """Return what is wrong, code by place, of what nothing can be wanted of."""
    with pytest.raises(UnresolvedReferencesError) as caught:
        wanted(*words, **environment)
    return {failure.name: failure.code for failure in caught.value.failures}


def test_nothing() -> None:
    """Values that only look a little like references are plain: nothing is wanted."""
    plain = {"A": "x bw://y", "B": "bw:/x", "C": "@", "D": "@@bw://x", "E": " bw://x", "F": "", "G": "https://bw://x"}

    assert wanted(**plain) is None


def test_each_kind() -> None:
    """Variables, files, items and templates are kept apart."""
    Path("t").write_text("a {{ bw://in-template }}\n")

    found = wanted(
        "-e", "A=bw://a/x", "-e", "B=@bw://b", "--item", "prod env?folder=X", "--template", "t:T", C="bw://c"
    )

    assert found is not None
    assert found.variables == {"A": parse("bw://a/x"), "C": parse("bw://c")}
    assert found.files == {"B": parse("bw://b")}
    assert found.items == (Reference("prod env", folder="X"),)
    assert [template.variable for template in found.templates] == ["T"]
    assert len(found.references) == 5
    assert found.makes_files


def test_who_loses_is_not_wanted() -> None:
    """What an option replaces is no reference, be it right or wrong."""
    Path("t").write_text("")

    assert wanted("-e", "A=plain", A="bw://x?nonsense") is None
    found = wanted("--template", "t:T", T="bw://x?nonsense")
    assert found is not None
    assert found.references == []


def test_all_that_is_wrong_at_once() -> None:
    """Variables, files, items and templates that are wrong are told in one go, each by its place."""
    Path("t").write_text("x\n y bw://x/\n")
    words = [
        "-e",
        "A=bw://",
        "-e",
        "B=@BW://x",
        "-e",
        "PATH=bw://x",
        "--item",
        "x/y",
        "--item",
        "",
        "--template",
        "t:T",
    ]

    assert wrong(*words, LD_PRELOAD="@bw://x", BW_SESSION="bw://x") == dict.fromkeys(
        ("A", "B", "PATH", "LD_PRELOAD", "BW_SESSION", "--item x/y", "--item ", "`t` line 2 column 4"),
        "reference.invalid",
    )


def test_two_options_for_one_variable() -> None:
    """Two templates, or a template and -e, cannot set the same variable."""
    Path("t").write_text("")
    for words in (["--template", "t:a.b", "--template", "t:A_B"], ["-e", "T=x", "--template", "t:T"]):
        with pytest.raises(UsageError) as caught:
            wanted(*words)
        assert caught.value.code == "usage.template"


def few(*references: str) -> tuple[str, ...]:
    """Return the ids that are enough to fetch."""
    found = wanted(*(word for number, text in enumerate(references) for word in ("-e", f"V{number}=bw://{text}")))
    assert found is not None
    return found.ids_to_fetch_alone()


def test_few_ids() -> None:
    """Up to ten items by id can be fetched alone, each once; one name, or one place to look in, needs the vault."""
    assert few(ID.upper(), f"{ID}/uri", f"{ID}/attachment/x") == (ID,)
    assert few(*IDS[:10]) == tuple(IDS[:10])
    assert few(*IDS) == ()
    assert few(ID, "name") == ()
    assert few(f"{ID}?folder=x") == ()
    assert few(f"{ID}?organization={ID}") == ()


names = st.sampled_from(["A", "B", "PATH", "HOME", "LD_X", "BW_SESSION", "a b", "é", "\udcff"])
COMPOSED = ["{{ bw://a }}", f"@x{{{{bw://{ID}}}}}", "x {{ bw://a/b }}{{bw://c}} bw://d"]
PLAIN = ["x bw://a", "{{ bw://a", "{ bw://a }"]
contents = st.sampled_from(
    ["", "x", "bw://", "bw://a", "@bw://a", "@bw://", "BW://a", f"bw://{ID}", "bw://a/b?folder=c", *COMPOSED, *PLAIN]
)
anything = contents | st.text(st.characters(exclude_characters="\0"), max_size=12).map("bw://".__add__)


@settings(deadline=None)
@given(
    st.dictionaries(names, anything), st.lists(st.text(st.characters(exclude_characters="\0"), max_size=8), max_size=3)
)
def test_raises_only_its_own_errors(environment: dict[str, str], items: list[str]) -> None:
    """Any environment and any --item: what is wanted, or what is wrong with it, and never both."""
    words = [word for item in items for word in (f"--item={item}",)]
    printable = {name: value for name, value in environment.items() if _can_be_inherited(value)}
    try:
        found = wanted(*words, **printable)
    except UnresolvedReferencesError:
        return
    looks = {
        name for name, value in printable.items() if value.lower().lstrip("@")[:5] == "bw://" and value[:2] != "@@"
    }
    looks |= {name for name, value in printable.items() if value in COMPOSED}
    got = set() if found is None else {*found.variables, *found.composed, *found.files}
    assert got == looks
    assert (found is None) == (not looks and not items)
    assert found is None or all(map(is_id, found.ids_to_fetch_alone()))


def _can_be_inherited(value: str) -> bool:
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
