"""
Which variables a value of the vault may set.

Whoever may edit an item (an organization's, say) decides on its values.  A value may be a password; it must not be what
a loader, a shell or an interpreter takes for code.  A variable that the user names is refused only where it changes how
every program starts; a name that comes from the item itself (`--item`) has to be harmless.
"""

from __future__ import annotations

import re

from bwrun.settings.sources import SESSION_VARIABLES, is_own

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The loader's and the shells' own: ld.so(8), bash(1).
_STARTS_PROGRAMS = re.compile(
    r"PATH|LD_.*|DYLD_.*|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|NLSPATH|BASH_ENV|BASH_FUNC_.*|BASHOPTS|SHELLOPTS|IFS|PS4"
    r"|PROMPT_COMMAND|CDPATH|GLOBIGNORE|SHELL|HOME"
)
# What interpreters and common tools take for options, code or programs to start.
_STARTS_CODE = re.compile(
    r"NODE_(OPTIONS|PATH|EXTRA_CA_CERTS)|PYTHON[A-Z]+|PERL5?(OPT|LIB|DB)|RUBY(OPT|LIB)|CLASSPATH"
    r"|(JAVA_TOOL|_JAVA|JDK_JAVA)_OPTIONS|GIT_(SSH|SSH_COMMAND|ASKPASS|EXEC_PATH|EDITOR|PAGER|PROXY_COMMAND)"
    r"|GIT_(CONFIG.*|TEMPLATE_DIR|EXTERNAL_DIFF|DIR|WORK_TREE|SEQUENCE_EDITOR)|(SSH|SUDO)_ASKPASS|(SUDO_)?EDITOR|VISUAL"
    r"|(MAN)?PAGER|BROWSER|LESS(OPEN|CLOSE)|MAKEFLAGS|MAKEFILES|GNUMAKEFLAGS|TMPDIR|XDG_.*|PS1|LC_.*|LANG|TERM"
    r"|SSL_CERT_(FILE|DIR)|OPENSSL_(CONF|MODULES|ENGINES)|ZDOTDIR|FPATH|INPUTRC|BASH_LOADABLES_PATH|VIMINIT|EXINIT"
    r"|NODE_REPL_EXTERNAL_MODULE|(?i:NPM_CONFIG_.*)|RUBYSHELL|GEM_(HOME|PATH)|BUNDLE_GEMFILE|LUA_(INIT|C?PATH).*|PHPRC"
    r"|PHP_INI_SCAN_DIR|R_(PROFILE|ENVIRON)(_USER)?|(MAVEN|GRADLE|JAVA)_OPTS|DOTNET_STARTUP_HOOKS|RUSTC(_WORKSPACE)?_WRAPPER|RUSTC"
)


def refusal(name: str) -> str | None:
    """Return why a reference may not set the variable `name`, None if it may."""
    if is_own(name) or name in SESSION_VARIABLES:
        return f"`{name}` is reserved for bwrun"
    if _STARTS_PROGRAMS.fullmatch(name):
        return f"`{name}` decides which programs or code are started, so no vault item may set it"
    return None


def refusal_from_item(name: str) -> str | None:
    """Return why a custom field may not become a variable of its own name, None if it may."""
    if not _NAME.fullmatch(name):
        return f"`{name}` is not a valid variable name" if name else "it has no name"
    if _STARTS_CODE.fullmatch(name):
        return f"interpreters and tools take code or paths from the variable `{name}`"
    return refusal(name)
