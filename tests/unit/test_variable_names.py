"""Which variables a value of the vault may set."""

from __future__ import annotations

import pytest

from bwrun.variable_names import refusal, refusal_from_item

CODE = ("PATH", "LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "BASH_FUNC_ls%%", "IFS", "SHELLOPTS",
        "GLIBC_TUNABLES", "PROMPT_COMMAND", "HOME")  # fmt: skip
TOOLS = ("NODE_OPTIONS", "PYTHONSTARTUP", "PERL5OPT", "RUBYOPT", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS",
         "GIT_SSH_COMMAND", "GIT_CONFIG_COUNT", "EDITOR", "PAGER", "TMPDIR", "XDG_CONFIG_HOME", "LC_ALL")  # fmt: skip
OWN = ("BW_CLIENTSECRET", "BW_PASSWORD_FILE", "BWRUN_SERVER", "BW_SESSION", "BITWARDENCLI_APPDATA_DIR")
PLAIN = ("DB_PASSWORD", "ENV", "USER", "PATH_TO_X", "MYLD_PRELOAD", "GIT_TOKEN", "NODE_ENV", "_", "a1", "BW_OTHER")


@pytest.mark.parametrize("name", CODE + OWN)
def test_refused_for_all(name: str) -> None:
    """What decides which code is started, and what is bwrun's own, no reference sets."""
    assert f"`{name}`" in (refusal(name) or "")
    assert refusal_from_item(name)


@pytest.mark.parametrize("name", TOOLS)
def test_refused_for_items(name: str) -> None:
    """What tools take code or places from is for the user to name, not for an item."""
    assert refusal(name) is None
    assert f"`{name}`" in (refusal_from_item(name) or "")


@pytest.mark.parametrize("name", ["", "1A", "a b", "A=B", "A-B", "grün", "A\n", "A\0"])
def test_no_names(name: str) -> None:
    """A custom field whose name is no variable's cannot become one."""
    assert refusal_from_item(name)


@pytest.mark.parametrize("name", PLAIN)
def test_plain_names(name: str) -> None:
    """Everything else may be set, names that only look like the refused ones too."""
    assert (refusal(name), refusal_from_item(name)) == (None, None)
