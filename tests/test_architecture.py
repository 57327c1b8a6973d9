"""
Who may import whom.  Change this table and the README's "How it is built" together.

Three processes share one package: the launcher, which forks and becomes the supervisor; the worker, which handles the
secrets and becomes the command; the supervisor with janitor and canary, which outlive it.  The table keeps them apart.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "bwrun"
OPTIONS = {"cli", "config"}
EVERYWHERE = {"signals", "structs"}  # as it were the language: not in the table

# module: (modules of ours it may import, third-party packages it may import)
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    # anything may know these; they know nothing
    "__init__": (set(), set()),
    "signals": (set(), set()),
    "structs": (set(), set()),
    "errors": (set(), set()),
    "sensitive": (set(), set()),
    "deadline": ({"errors"}, set()),
    "ratelimit": (set(), set()),
    "kernel": (set(), set()),
    "tasks": ({"errors"}, set()),
    "timings": (set(), set()),
    "reading": ({"deadline"}, set()),
    "restoring": (set(), set()),
    # the launcher: no third-party package, no secret (`worker` and `nested` are imported where they are needed)
    "__main__": ({"launch"}, set()),
    "launch": ({"cli", "console", "errors", "nested", "supervisor.directory", "worker"}, set()),
    "cli": ({"__init__", "errors"}, set()),
    "console": ({"config", "errors"}, set()),
    # supervisor, janitor and canary know each other, and the channel
    "channel": (set(), set()),
    "supervisor": (set(), set()),
    "supervisor.__main__": ({"supervisor.main"}, set()),
    "supervisor.main": (
        {
            "channel", "errors", "kernel", "supervisor.canary", "supervisor.directory", "supervisor.ending",
            "supervisor.forwarding", "supervisor.helper", "supervisor.janitor", "supervisor.proc",
            "supervisor.place", "supervisor.renewal",
        },
        set(),
    ),
    "supervisor.canary": ({"kernel", "supervisor.proc"}, set()),
    "supervisor.directory": ({"supervisor.proc"}, set()),
    "supervisor.ending": (set(), set()),
    "supervisor.forwarding": ({"supervisor.canary", "supervisor.proc"}, set()),
    "supervisor.helper": (set(), set()),
    "supervisor.janitor": ({"kernel", "supervisor.directory", "supervisor.proc"}, set()),
    "supervisor.place": ({"supervisor.directory"}, set()),
    "supervisor.proc": (set(), set()),
    "supervisor.renewal": ({"channel", "supervisor.helper"}, set()),
    # the supervisor's helpers, processes of their own
    "leftovers": (set(), {"psutil"}),
    "renew": (
        {
            "auth", "channel", "client", "console", "credentials", "deadline", "errors", "network", "sensitive",
            "servers", "session.rewriting", "timings",
        },
        set(),
    ),
    # settings and credentials: no HTTP, no crypto
    "envfiles": ({"deadline", "errors", "reading"}, {"dotenv"}),
    "sources": ({"envfiles"}, set()),
    "servers": ({"errors", "urls"}, set()),
    "config": ({"cli", "envfiles", "errors", "servers", "sources"}, set()),
    "prompts": ({"errors", "sensitive"}, set()),
    "password_command": ({"errors", "kernel", "sensitive", "sources"}, set()),
    "credentials": (
        {
            "config", "deadline", "envfiles", "errors", "password_command", "prompts", "reading", "sensitive",
            "sources",
        },
        set(),
    ),
    "command": ({"errors"}, set()),
    "environment": ({"sources"}, set()),
    # pure cryptography
    "crypto": (set(), set()),
    "crypto.primitives": ({"errors"}, {"cryptography"}),
    "crypto.encstring": ({"crypto.primitives", "errors"}, set()),
    "crypto.parameters": (set(), set()),
    "crypto.argon": ({"errors"}, {"argon2"}),
    "crypto.keys": (
        {"crypto.argon", "crypto.encstring", "crypto.parameters", "crypto.primitives", "errors", "sensitive"},
        set(),
    ),
    "crypto.asymmetric": ({"crypto.encstring", "crypto.primitives", "errors"}, set()),
    # V2 accounts
    "crypto.cbor": ({"errors"}, set()),
    "crypto.aead": ({"crypto.primitives", "errors"}, set()),
    "crypto.cose": ({"crypto.aead", "crypto.cbor", "crypto.encstring", "crypto.primitives", "errors"}, set()),
    "crypto.vault_key": (
        {"crypto.cbor", "crypto.cose", "crypto.encstring", "crypto.primitives", "errors"},
        set(),
    ),
    "crypto.security_state": (
        {
            "crypto.asymmetric", "crypto.cbor", "crypto.cose", "crypto.encstring", "crypto.parameters",
            "crypto.primitives", "crypto.vault_key", "errors",
        },
        set(),
    ),
    "crypto.blob": ({"crypto.cbor", "crypto.cose", "crypto.encstring", "crypto.vault_key", "errors"}, set()),
    "crypto.account_keys": (
        {
            "crypto.asymmetric", "crypto.encstring", "crypto.keys", "crypto.parameters", "crypto.primitives",
            "crypto.security_state", "crypto.vault_key", "errors", "sensitive",
        },
        set(),
    ),
    # references and the vault: no HTTP, no environment
    "fields": (set(), set()),
    "totp": ({"errors"}, set()),
    "references": ({"errors", "fields", "sensitive"}, set()),
    "decryption": ({"crypto.blob", "crypto.vault_key", "errors"}, set()),
    "items": ({"decryption", "errors", "fields", "sensitive"}, set()),
    "item_json": ({"decryption", "fields", "items"}, set()),
    "field_values": ({"errors", "fields", "item_json", "items", "references", "totp"}, set()),
    "places": ({"crypto.account_keys", "decryption", "errors", "references"}, set()),
    "names": ({"decryption", "errors", "items"}, set()),
    "vault": (
        {
            "crypto.account_keys", "decryption", "errors", "field_values", "fields", "items", "names",
            "places", "references", "sensitive",
        },
        set(),
    ),
    "variable_names": ({"sources"}, set()),
    "templates": ({"deadline", "errors", "reading", "references", "variable_names"}, set()),
    "wanted": ({"config", "errors", "references", "templates", "variable_names"}, set()),
    "resolving": (
        {
            "errors", "items", "references", "sensitive", "session.data_file", "unlock",
            "variable_names", "vault", "wanted",
        },
        set(),
    ),
    # what --check and --list print
    "tables": ({"console", "errors"}, set()),
    "listing": ({"config", "tables", "vault"}, set()),
    "checking": (
        {
            "config", "console", "environment", "references", "resolving", "sources", "tables", "vault", "wanted",
        },
        set(),
    ),
    # the network: no key
    "tls": ({"crypto.primitives", "errors", "servers"}, set()),
    "client": (
        {
            "__init__", "answer", "deadline", "errors", "network_failures", "ratelimit", "sensitive", "servers",
            "transport",
        },
        set(),
    ),
    "network_failures": ({"deadline", "errors", "servers", "transport"}, set()),
    "transport": (set(), set()),
    "proxies": (set(), set()),
    "urls": (set(), {"idna"}),
    "dialing": ({"tasks"}, set()),
    "connecting": ({"deadline", "dialing", "tasks", "timings", "tls", "transport", "urls"}, set()),
    "direct": ({"connecting", "deadline", "transport", "urls"}, set()),
    "proxied": ({"deadline", "errors", "tls", "transport"}, {"httpx"}),
    "network": (
        {"connecting", "deadline", "direct", "proxied", "proxies", "tasks", "timings", "transport"},
        set(),
    ),
    "wire": ({"errors"}, set()),
    "jsontext": (set(), {"orjson"}),
    "answer": ({"errors", "jsontext", "sensitive", "servers", "transport"}, set()),
    "fetching": ({"answer", "client", "errors", "sensitive", "tasks"}, set()),
    "auth": (
        {"answer", "client", "credentials", "crypto.parameters", "errors", "sensitive", "servers", "wire"},
        set(),
    ),
    "key_connector": ({"answer", "client", "errors", "sensitive", "servers", "wire"}, set()),
    # the session: no HTTP
    "session": (set(), set()),
    "session.sane": (set(), set()),
    "session.vault_state": ({"crypto.asymmetric", "errors", "session.sane"}, set()),
    "session.data_file": (
        {
            "crypto.account_keys", "crypto.asymmetric", "crypto.encstring", "crypto.parameters", "errors", "jsontext", "sensitive", "servers", "session.sane",
            "session.vault_state",
        },
        set(),
    ),
    "session.outer": ({"supervisor.directory"}, set()),
    "session.files": ({"errors"}, set()),
    "session.opening": (
        {"crypto.encstring", "crypto.primitives", "errors", "session.data_file", "session.files", "session.outer"},
        set(),
    ),
    "session.rewriting": ({"errors", "sensitive"}, set()),
    # what connects them
    "unlock": (
        {
            "auth", "cli", "client", "config", "console", "credentials", "crypto.account_keys", "crypto.parameters",
            "crypto.primitives", "crypto.vault_key", "deadline", "errors", "fetching", "jsontext", "key_connector",
            "network", "sensitive", "servers", "tasks", "timings",
        },
        set(),
    ),
    "early": (
        {
            "config", "console", "credentials", "deadline", "dialing", "network", "proxies", "tasks", "timings",
            "unlock", "urls",
        },
        set(),
    ),
    "nested": (
        {
            "command", "console", "credentials", "envfiles", "environment", "restoring", "session.outer", "sources",
            "timings",
        } | OPTIONS,
        set(),
    ),
    "worker": (
        {
            "channel", "checking", "command", "console", "credentials", "early", "environment", "errors", "kernel", "listing", "nested", "renew", "resolving", "restoring", "session.data_file",
            "session.files", "session.opening", "session.vault_state", "timings", "unlock", "vault",
            "wanted",
        } | OPTIONS,
        set(),
    ),
}  # fmt: skip

# Who may end a process: the entry, and each process's own main module or what it ends by.
MAY_EXIT = {
    "__main__", "launch", "worker", "renew", "kernel",
    "supervisor.canary", "supervisor.ending", "supervisor.helper", "supervisor.janitor",
}  # fmt: skip
# All of the standard library that launcher and supervisor may load, of any Python from 3.11 on (less what has a `_`).
SMALL = {"genericpath", "os", "os.path", "posixpath", "stat"}
SUPERVISING = SMALL | {"ctypes", "errno", "fcntl", "resource", "select", "struct", "termios", "types"}
# 4 ms and more each (`python -X importtime`), and none is needed by who only waits or forks.
HEAVY = {
    "argparse", "asyncio", "concurrent", "contextlib", "dataclasses", "datetime", "hashlib", "hmac", "importlib.util",
    "inspect", "json", "logging", "multiprocessing", "pathlib", "pickle", "random", "re", "shutil", "socket", "ssl",
    "subprocess", "tempfile", "threading", "traceback", "typing", "urllib", "uuid",
}  # fmt: skip


def name_of(path: Path) -> str:
    """Return a module's name below `bwrun`; a package's is that of its directory."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def statements(tree: ast.AST, *, at_start: bool) -> Iterator[ast.AST]:
    """Yield the nodes of a module; with `at_start` those alone that run when it is imported."""
    for node in ast.iter_child_nodes(tree):
        if at_start and (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        ):
            continue
        yield node
        yield from statements(node, at_start=at_start)


def imports_of(module: str, *, at_start: bool = False) -> set[str]:
    """Return the full names that a module imports: `bwrun.a.b` for modules of ours."""
    path = MODULES[module]
    found: set[str] = set()
    for node in statements(ast.parse(path.read_text()), at_start=at_start):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            source = node.module or ""
            below = source.removeprefix("bwrun").lstrip(".")
            for alias in node.names:
                inner = f"{below}.{alias.name}".lstrip(".")
                is_module = source.partition(".")[0] == "bwrun" and inner in MODULES
                found.add(f"bwrun.{inner}" if is_module else source)
    return found


def ours(imports: set[str]) -> set[str]:
    """Return the names below `bwrun` among `imports`; the package itself is `__init__`."""
    return {
        name.removeprefix("bwrun").lstrip(".") or "__init__" for name in imports if name.partition(".")[0] == "bwrun"
    }


def third_party(imports: set[str]) -> set[str]:
    """Return the packages that neither we nor Python bring."""
    return {name.partition(".")[0] for name in imports} - {"bwrun"} - sys.stdlib_module_names


def closure(module: str) -> set[str]:
    """Return `module` and all modules of ours that are imported with it."""
    found: set[str] = set()
    pending = {module}
    while pending:
        found |= pending
        pending = {inner for name in pending for inner in ours(imports_of(name, at_start=True))} - found
    return found


def loaded_by(module: str) -> set[str]:
    """Return what a fresh interpreter, started as the supervisor is, has loaded more when it has imported `module`."""
    code = (
        f"import sys; before = set(sys.modules); sys.path.append({str(ROOT)!r}); import {module};"
        " print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True, encoding="ascii")
    return set(done.stdout.split())


def test_every_module_is_listed() -> None:
    """The table has each module of the package, and no other."""
    assert MODULES.keys() == ALLOWED.keys()


@pytest.mark.parametrize("module", MODULES)
def test_imports(module: str) -> None:
    """A module imports exactly what the table allows it: what is not needed any more leaves the table."""
    imports = imports_of(module)

    assert (ours(imports) - EVERYWHERE, third_party(imports)) == ALLOWED[module]


def test_table_has_no_cycle() -> None:
    """The modules can be put in an order in which each imports only those before it."""
    done: set[str] = set()
    pending = {name: needs for name, (needs, _) in ALLOWED.items()}
    while pending:
        free = {name for name, needs in pending.items() if needs <= done}

        assert free, f"cycle among {sorted(pending)}"
        done |= free
        pending = {name: needs for name, needs in pending.items() if name not in free}


def test_each_package_has_one_importer() -> None:
    """A third-party package is known to one module alone."""
    importers: dict[str, list[str]] = {}
    for module in MODULES:
        for package in third_party(imports_of(module)):
            importers.setdefault(package, []).append(module)

    assert importers == {
        "argon2": ["crypto.argon"],
        "cryptography": ["crypto.primitives"],
        "dotenv": ["envfiles"],
        "httpx": ["proxied"],
        "idna": ["urls"],
        "orjson": ["jsontext"],
        "psutil": ["leftovers"],
    }


def test_every_dependency_is_imported() -> None:
    """What pyproject.toml makes a user install is imported somewhere."""
    wanted = (ROOT / "pyproject.toml").read_text().partition("\ndependencies = [")[2].partition("]\n")[0]
    packages = {"argon2-cffi": "argon2", "python-dotenv": "dotenv"}
    names = [line.strip().lstrip('"').partition(">=")[0] for line in wanted.splitlines() if ">=" in line]

    assert {packages.get(name, name) for name in names} == set().union(*(needs for _, needs in ALLOWED.values()))


def test_launcher_imports_little_before_the_fork() -> None:
    """Until it forks, the launcher has command line, messages and signals, and none of the worker's modules."""
    assert closure("launch") - EVERYWHERE == {"cli", "console", "errors", "launch"}


def test_supervisor_is_made_of_its_own_modules() -> None:
    """The supervisor's process imports its own modules and the channel: nothing of Bitwarden, nothing with a secret."""
    own = {name for name in MODULES if name.partition(".")[0] == "supervisor"}

    assert closure("supervisor.__main__") - EVERYWHERE | {"supervisor"} == own | {"channel", "errors", "kernel"}


@pytest.mark.parametrize("module", ["bwrun.supervisor.main", "bwrun.launch"])
def test_starts_with_the_standard_library_alone(module: str) -> None:
    """Launcher and supervisor start without site-packages, and load none of the slow modules."""
    loaded = loaded_by(module)
    strangers = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - {"bwrun", "__main__"}

    assert strangers == set()
    assert HEAVY & loaded == set()


@pytest.mark.parametrize(("module", "allowed"), [("bwrun.supervisor.main", SUPERVISING), ("bwrun.launch", SMALL)])
def test_loads_no_more_than_it_did(module: str, allowed: set[str]) -> None:
    """A module more, however small, is time and memory of every run: the list above grows on purpose or not at all."""
    loaded = {name for name in loaded_by(module) if not name.startswith(("_", "bwrun", "ctypes."))}

    assert loaded - allowed == set()


@pytest.mark.parametrize("module", MODULES)
def test_only_mains_end_a_process(module: str) -> None:
    """A module that is not a process's own main returns or raises: who exits from below skips what must be cleared."""
    calls = {
        ast.unparse(node.func)
        for node in statements(ast.parse(MODULES[module].read_text()), at_start=False)
        if isinstance(node, ast.Call)
    }

    assert bool(calls & {"sys.exit", "os._exit", "exit", "quit", "os.abort"}) == (module in MAY_EXIT)
