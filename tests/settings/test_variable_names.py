"""Which variables a value of the vault may set: what starts programs never, what interpreters read not from an item."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bwrun.settings.variable_names import why_forbidden, why_forbidden_for_field

OWN = [
    "BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD", "BW_CLIENTID_FILE", "BW_CLIENTSECRET_FILE", "BW_PASSWORD_FILE",
    "BWRUN_SERVER", "BWRUN_", "BWRUN_PASSWORD_COMMAND", "BW_SESSION", "BITWARDENCLI_APPDATA_DIR",
]  # fmt: skip
STARTS_PROGRAMS = [
    "PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "GLIBC_TUNABLES", "GCONV_PATH",
    "BASH_ENV", "BASH_FUNC_ls%%", "SHELLOPTS", "BASHOPTS", "IFS", "PS4", "PROMPT_COMMAND", "SHELL", "HOME",
]  # fmt: skip
STARTS_CODE = [
    "NODE_OPTIONS", "NODE_PATH", "NODE_EXTRA_CA_CERTS", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PERL5OPT",
    "PERL5LIB", "PERLLIB", "RUBYOPT", "RUBYLIB", "CLASSPATH", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS",
    "GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_EXEC_PATH", "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0",
    "GIT_EXTERNAL_DIFF", "GIT_SEQUENCE_EDITOR", "SSH_ASKPASS", "SUDO_ASKPASS", "EDITOR", "VISUAL", "PAGER", "LESSOPEN",
    "LESSCLOSE", "MAKEFLAGS", "MAKEFILES", "ZDOTDIR", "OPENSSL_CONF", "NPM_CONFIG_SCRIPT_SHELL",
    "npm_config_node_options", "LUA_INIT", "LUA_INIT_5_4", "LUA_CPATH", "PHPRC", "PHP_INI_SCAN_DIR",
    "DOTNET_STARTUP_HOOKS", "MAVEN_OPTS", "R_PROFILE_USER", "RUSTC_WRAPPER", "VIMINIT", "EXINIT", "MANPAGER",
    "SSL_CERT_FILE", "XDG_CONFIG_HOME", "TMPDIR",
]  # fmt: skip
PLAIN = [
    "A", "_", "DB_PASSWORD", "path", "MY_PATH", "PATHS", "LD", "HOMEPAGE", "AWS_SECRET_ACCESS_KEY", "NODE_ENV", "TOKEN",
    "ENV", "USER",
    "PYTHON", "BW_URL", "BWRUN", "bw_session", "ENVIRONMENT", "GIT_TOKEN", "LANGUAGE", "EDITOR_TOKEN",
]  # fmt: skip
names = st.text(st.sampled_from("AZaz_09-. =é\n"), max_size=6) | st.text(max_size=6)


@pytest.mark.parametrize("name", [*OWN, *STARTS_PROGRAMS])
def test_no_reference_sets_these(name: str) -> None:
    """What is bwrun's own, and what decides on the code of every program, is refused whoever names it."""
    why = why_forbidden(name)

    assert why is not None
    assert f"`{name}`" in why
    assert why_forbidden_for_field(name) is not None


@pytest.mark.parametrize("name", STARTS_CODE)
def test_an_item_cannot_choose_these(name: str) -> None:
    """What an interpreter or a tool takes for options or code may be set by the user's word, and not by the item's."""
    assert why_forbidden(name) is None
    assert why_forbidden_for_field(name) is not None


@pytest.mark.parametrize("name", PLAIN)
def test_plain_names_are_free(name: str) -> None:
    """Names that only look like one of those are nobody's business."""
    assert (why_forbidden(name), why_forbidden_for_field(name)) == (None, None)


@pytest.mark.parametrize("name", ["", "1A", "A B", "A-B", "A.B", "A=B", "Ä", "A\n", "A\0", "\udcff", "BASH_FUNC_x()"])
def test_an_items_names_are_names_of_variables(name: str) -> None:
    """A custom field whose name no shell could use is refused, a nameless one in words of its own."""
    why = why_forbidden_for_field(name)

    assert why == ("it has no name" if not name else f"`{name}` is not a valid variable name")


@given(names)
@example("A\n")
def test_what_an_item_may_set_everybody_may(name: str) -> None:
    """An item never gets more than a user, and never a name that is not made of letters, digits and `_`."""
    if why_forbidden_for_field(name) is None:
        assert why_forbidden(name) is None
        assert re.match(r"\A[A-Za-z_][A-Za-z0-9_]*\Z", name)
