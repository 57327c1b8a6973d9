"""The documentation as data: its pages, the command lines in them, their links and their headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PATHS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
# Of fenced blocks: `console` has command lines; the others are files, which the tests of their page read.
LANGUAGES = {"", "console", "crontab", "dockerfile", "hcl", "ini", "sh", "yaml"}

_FENCE = re.compile(r"^( *)```([a-z]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w./-]+)\n")  # the comment in the first line of a block that is a file
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A command line after `$ `, and the lines that the page shows below it."""

    command: str
    output: str


@dataclass(frozen=True)
class Example:
    """The command lines of one block, or one command within a sentence, and where it stands."""

    place: str  # page:line, and of a command within a sentence page:line:column
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Page:
    """A page of the documentation."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        """Return the path as it is below the root of the repository."""
        return str(self.path.relative_to(ROOT))

    @property
    def prose(self) -> str:
        """Return the text without its blocks, on the same lines."""
        return _FENCE.sub(lambda block: "\n" * block[0].count("\n"), self.text)

    def languages(self) -> set[str]:
        """Return what the blocks say they hold."""
        return {block[2] for block in _FENCE.finditer(self.text)}

    def blocks(self, language: str) -> list[str]:
        """Return the texts of the blocks in a language."""
        return [dedent(block[3]) for block in _FENCE.finditer(self.text) if block[2] == language]

    def files(self) -> dict[str, str]:
        """Return the files that the page shows: the blocks that begin with a comment `# NAME`."""
        texts = [dedent(block[3]) for block in _FENCE.finditer(self.text) if block[2] != "console"]
        return {named[1]: text for text in texts if (named := _FILE.match(text))}

    def examples(self) -> list[Example]:
        """Return the `console` blocks, then the commands within sentences: code that begins with `bwrun` or `make`."""
        blocks = [
            Example(self._place(block.start(), self.text), _steps(dedent(block[3])))
            for block in _FENCE.finditer(self.text)
            if block[2] == "console"
        ]
        prose = self.prose
        spans = [
            Example(f"{self._place(span.start(), prose)}:{_column(span.start(), prose)}", (Step(span[1], ""),))
            for span in _SPAN.finditer(prose)
            if span[1].startswith(("bwrun ", "make "))
        ]
        return blocks + spans

    def links(self) -> list[str]:
        """Return where the links point that stay within the repository."""
        return [link for link in _LINK.findall(self.prose) if not link.startswith(("https://", "mailto:"))]

    def anchors(self) -> set[str]:
        """Return the anchors of the headings, as GitHub makes them."""
        return {_anchor(heading) for heading in _HEADING.findall(self.prose)}

    def section(self, heading: str) -> str:
        """Return the text below a heading of the second level, up to the next one."""
        found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", self.text, re.MULTILINE | re.DOTALL)
        assert found is not None, f"{self.name} has no section {heading}"
        return found[1]

    def file(self, name: str) -> str:
        """
        Return the one file of this name that the page shows: below the comment `# NAME`, or after `$ cat NAME`.

        Raises AssertionError: the page does not show exactly one.
        """
        blocks = [dedent(block[3]) for block in _FENCE.finditer(self.text)]
        found = [text for text in blocks if text.startswith(f"# {name}\n")]
        found += [step.output for one in self.examples() for step in one.steps if step.command == f"cat {name}"]
        assert len(found) == 1, f"{self.name} shows {len(found)} files {name}"
        return found[0]

    def below(self, heading: str) -> Page:
        """Return what stands below a heading of the second level as a page of its own."""
        return Page(self.path, self.section(heading))

    def _place(self, position: int, text: str) -> str:
        return f"{self.name}:{text.count(chr(10), 0, position) + 1}"


def page(name: str) -> Page:
    """Return one page by its path below the root of the repository."""
    path = ROOT / name
    return Page(path, path.read_text())


def pages() -> list[Page]:
    """Return README and everything in docs/."""
    return [Page(path, path.read_text()) for path in PATHS]


def _column(position: int, text: str) -> int:
    return position - text.rfind("\n", 0, position)


def _steps(block: str) -> tuple[Step, ...]:
    """Take a block apart: a command may go on in the next line after a backslash."""
    steps = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        found = re.match(r"((?:[^\n]*\\\n)*[^\n]*)\n?(.*)", part, re.DOTALL)
        assert found is not None
        steps.append(Step(found[1], found[2]))
    return tuple(steps)


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")
