"""`make completions`: write the completion scripts and the man page anew."""

from __future__ import annotations

from pathlib import Path

from bwrun.completion.scripts import SCRIPTS
from tests.completion.man import man_page
from tests.completion.scripts import scripts
from tests.support.pages import ROOT

DATA = ROOT / "bwrun" / "completion" / "data"
MAN_PAGE = DATA / "share" / "man" / "man1" / "bwrun.1"


def made() -> dict[Path, str]:
    """Return each file, as it should be."""
    return {**{DATA / SCRIPTS[shell]: text for shell, text in scripts().items()}, MAN_PAGE: man_page()}


if __name__ == "__main__":
    for path, text in made().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
