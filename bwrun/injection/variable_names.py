"""
Deciding which variables a value from the vault may set.

Everybody who may edit an item, for example in an organization, chooses its values. Such a value may be a password, but
must not become code that a loader, a shell or an interpreter runs. The rules are stricter for `--item`, where the item
chooses the names of the variables too, than for a variable that the user names.
"""

from __future__ import annotations

import re

from bwrun.settings.sources import SESSION_VARIABLES, is_bwrun_variable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Variables that decide which programs or code every process starts with: ld.so(8), bash(1).
_STARTS_PROGRAMS = re.compile(
    r"PATH|LD_.*|DYLD_.*|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|NLSPATH|BASH_ENV|BASH_FUNC_.*|BASHOPTS|SHELLOPTS|IFS|PS4"
    r"|PROMPT_COMMAND|CDPATH|GLOBIGNORE|SHELL|HOME"
)
# Variables from which interpreters and common tools take options, code, or programs to start.
_STARTS_CODE = re.compile(
    r"NODE_(OPTIONS|PATH|EXTRA_CA_CERTS)|PYTHON[A-Z]+|PERL5?(OPT|LIB|DB)|RUBY(OPT|LIB)|CLASSPATH"
    r"|(JAVA_TOOL|_JAVA|JDK_JAVA)_OPTIONS|GIT_(SSH|SSH_COMMAND|ASKPASS|EXEC_PATH|EDITOR|PAGER|PROXY_COMMAND)"
    r"|GIT_(CONFIG.*|TEMPLATE_DIR|EXTERNAL_DIFF|DIR|WORK_TREE|SEQUENCE_EDITOR)|(SSH|SUDO)_ASKPASS|(SUDO_)?EDITOR|VISUAL"
    r"|(MAN)?PAGER|BROWSER|LESS(OPEN|CLOSE)|MAKEFLAGS|MAKEFILES|GNUMAKEFLAGS|TMPDIR|XDG_.*|PS1|LC_.*|LANG|TERM"
    r"|SSL_CERT_(FILE|DIR)|OPENSSL_(CONF|MODULES|ENGINES)|ZDOTDIR|FPATH|INPUTRC|BASH_LOADABLES_PATH|VIMINIT|EXINIT"
    r"|NODE_REPL_EXTERNAL_MODULE|(?i:NPM_CONFIG_.*)|RUBYSHELL|GEM_(HOME|PATH)|BUNDLE_GEMFILE|LUA_(INIT|C?PATH).*|PHPRC"
    r"|PHP_INI_SCAN_DIR|R_(PROFILE|ENVIRON)(_USER)?|(MAVEN|GRADLE|JAVA)_OPTS|DOTNET_STARTUP_HOOKS|RUSTC(_WORKSPACE)?_WRAPPER|RUSTC"
)


def why_forbidden(name: str) -> str | None:
    """Return why no reference may set the variable `name`; None if one may."""
    if is_bwrun_variable(name) or name in SESSION_VARIABLES:
        return f"`{name}` is reserved for bwrun"
    if _STARTS_PROGRAMS.fullmatch(name):
        return f"`{name}` decides which programs or code are started, so no vault item may set it"
    return None


def why_forbidden_for_field(name: str) -> str | None:
    """Return why no custom field of an item may set the variable `name`; None if one may."""
    if not _NAME.fullmatch(name):
        return f"`{name}` is not a valid variable name" if name else "it has no name"
    if _STARTS_CODE.fullmatch(name):
        return f"interpreters and tools take code or paths from the variable `{name}`"
    return why_forbidden(name)
