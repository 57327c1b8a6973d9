"""
Which variables may be set by somebody who is not the user.

Whoever can edit an item, or writes the `.env` of a strange checkout, decides on values.  A value may be a password.  It
must not be something that a loader, a shell or an interpreter takes for code, or for the place where code is.

- A reference (`NAME=bw://…`): the user chose the name, so only names that change how every program starts are refused.
- A custom field that becomes a variable (`--item`): the item chose the name, so it has to be harmless.
- A line of a `.env` that bwrun found by itself: the file chose the name and the value, so it must not lead to code.

Regular expressions would cost a nested run 5 ms, so the names are in sets and prefixes.
"""

from __future__ import annotations

from bwrun.settings.sources import SESSION_VARIABLES, is_bwrun_variable

DIGITS = "0123456789"
LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_" + DIGITS)

# The dynamic loader's and the shells' own: ld.so(8), bash(1).
STARTS_PROGRAMS = frozenset(
    (
        "PATH", "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH", "BASH_ENV", "BASHOPTS", "SHELLOPTS", "IFS", "PS4",
        "PROMPT_COMMAND", "CDPATH", "GLOBIGNORE", "SHELL", "HOME",
    )
)  # fmt: skip
STARTS_PROGRAMS_PREFIXES = ("LD_", "DYLD_", "BASH_FUNC_")
# What interpreters and common tools take for options, for code, or for programs to start.
LEADS_TO_CODE = frozenset(
    (
        "NODE_OPTIONS", "NODE_PATH", "NODE_REPL_EXTERNAL_MODULE", "PERLOPT", "PERLLIB", "PERLDB", "PERL5OPT",
        "PERL5LIB", "PERL5DB", "RUBYOPT", "RUBYLIB", "RUBYSHELL", "GEM_HOME", "GEM_PATH", "BUNDLE_GEMFILE", "CLASSPATH",
        "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "MAVEN_OPTS", "GRADLE_OPTS", "JAVA_OPTS",
        "DOTNET_STARTUP_HOOKS", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "PHPRC", "PHP_INI_SCAN_DIR",
        "R_PROFILE", "R_PROFILE_USER", "R_ENVIRON", "R_ENVIRON_USER", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS",
        "GIT_EXEC_PATH", "GIT_EDITOR", "GIT_PAGER", "GIT_PROXY_COMMAND", "GIT_TEMPLATE_DIR", "GIT_EXTERNAL_DIFF",
        "GIT_DIR", "GIT_WORK_TREE", "GIT_SEQUENCE_EDITOR", "SSH_ASKPASS", "SUDO_ASKPASS", "EDITOR", "SUDO_EDITOR",
        "VISUAL", "PAGER", "MANPAGER", "BROWSER", "LESSOPEN", "LESSCLOSE", "MAKEFLAGS", "MAKEFILES", "GNUMAKEFLAGS",
        "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES", "ZDOTDIR", "FPATH", "INPUTRC", "BASH_LOADABLES_PATH",
        "VIMINIT", "EXINIT", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONBREAKPOINT", "PYTHONINSPECT",
        "PYTHONWARNINGS", "PYTHONUSERBASE", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE", "PYTHONPYCACHEPREFIX",
    )
)  # fmt: skip
LEADS_TO_CODE_PREFIXES = ("GIT_CONFIG", "LUA_INIT", "LUA_PATH", "LUA_CPATH")
# Where other programs keep a command line or code for their children to see; bwrun's own command line may be in it.
PROGRAM_TEXTS = frozenset(
    (
        "SUDO_COMMAND", "MAKEFLAGS", "MFLAGS", "SSH_ORIGINAL_COMMAND", "BASH_EXECUTION_STRING", "npm_lifecycle_script",
        "npm_config_argv",
    )
)  # fmt: skip
# Whom the official CLI trusts: with these, a proxy could read the access token that it sends.
TRUST_OF_NODE = frozenset(("NODE_EXTRA_CA_CERTS", "NODE_TLS_REJECT_UNAUTHORIZED"))
PROGRAM_TEXTS_PREFIXES = ("BASH_FUNC_", "npm_package_scripts_")  # the latter of npm 6 and Yarn 1
# What an item has no business to set either: places of files, the terminal, the language, whom to trust.
SURROUNDINGS = frozenset(("NODE_EXTRA_CA_CERTS", "TMPDIR", "PS1", "LANG", "TERM", "SSL_CERT_FILE", "SSL_CERT_DIR"))
SURROUNDINGS_PREFIXES = ("XDG_", "LC_")


def why_forbidden(name: str) -> str | None:
    """Return why no value of the vault may set the variable `name`; None if one may."""
    if is_bwrun_variable(name) or name in SESSION_VARIABLES:
        return f"`{name}` is reserved for bwrun"
    if _starts_programs(name):
        return f"`{name}` decides which programs or code are started, so no vault item may set it"
    return None


def why_forbidden_for_field(name: str) -> str | None:
    """Return why no custom field of an item may set the variable `name`; None if one may."""
    if not name:
        return "it has no name"
    if name[0] in DIGITS or not LETTERS.issuperset(name):
        return f"`{name}` is not a valid variable name"
    if leads_to_code(name) and not _starts_programs(name):
        return f"interpreters and tools take code or paths from the variable `{name}`"
    if name in SURROUNDINGS or name.startswith(SURROUNDINGS_PREFIXES) or _is_pythons(name):
        return f"interpreters and tools take code or paths from the variable `{name}`"
    return why_forbidden(name)


def leads_to_code(name: str) -> bool:
    """Return whether programs take code, or the place of code, from the variable `name`."""
    return (
        _starts_programs(name)
        or name in LEADS_TO_CODE
        or name.startswith(LEADS_TO_CODE_PREFIXES)
        or name.lower().startswith("npm_config_")
    )


def keeps_program_text(name: str) -> bool:
    """Return whether another program keeps a command line, or a function of a shell, in the variable `name`."""
    return name in PROGRAM_TEXTS or name.startswith(PROGRAM_TEXTS_PREFIXES)


def _starts_programs(name: str) -> bool:
    return name in STARTS_PROGRAMS or name.startswith(STARTS_PROGRAMS_PREFIXES)


def _is_pythons(name: str) -> bool:
    """Return whether it is one of Python's own variables: PYTHONPATH, PYTHONSTARTUP and the like."""
    return name.startswith("PYTHON") and name.isalpha() and name.isupper() and name != "PYTHON"
