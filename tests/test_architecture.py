"""
Which room may import which.  Change this table and docs/architecture.md together.

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
MOST_LINES = 300
EVERYWHERE = {"base.signals", "base.structs"}  # used like parts of the language

# room: the rooms that its modules import. A room may import only rooms above it in this table.
ROOMS: dict[str, set[str]] = {
    "system": set(),
    "base": {"system"},
    "crypto": {"base"},
    "references": {"base"},
    "settings": {"base", "system"},
    "supervisor": {"base", "system"},
    "masking": {"base", "supervisor", "system"},
    "command": {"base", "settings", "system"},
    "credentials": {"base", "settings", "system"},
    "network": {"base", "crypto", "settings"},
    "cache": {"base", "crypto", "network", "supervisor", "system"},
    "vault": {"base", "crypto", "references"},
    "login": {"base", "cache", "credentials", "crypto", "network", "settings", "vault"},
    "injection": {"base", "command", "crypto", "login", "references", "settings", "vault"},
    "session": {"base", "command", "credentials", "crypto", "login", "references", "settings", "supervisor", "vault"},
    "helpers": {"base", "cache", "credentials", "login", "network", "session", "settings", "system"},
    "planning": {
        "base", "command", "credentials", "injection", "login", "masking", "network", "references", "session",
        "settings", "system", "vault",
    },
    "opening": {"base", "credentials", "injection", "login", "planning", "session", "settings", "vault"},
    "reports": {
        "base", "command", "injection", "login", "masking", "planning", "references", "settings", "vault",
    },
    "doctor": {
        "base", "cache", "command", "credentials", "crypto", "injection", "login", "network", "opening", "planning",
        "reports", "session", "settings", "supervisor", "system", "vault",
    },
    "completion": {"base"},
    # the three steps of a run, which connect the rooms
    "worker": {
        "base", "command", "doctor", "helpers", "injection", "login", "opening", "planning", "reports", "session",
        "settings", "system", "vault",
    },
    "launch": {"base", "cache", "completion", "credentials", "planning", "settings", "supervisor", "system", "worker"},
    "__main__": {"launch"},
    # what other programs import; its child process is a launcher too
    "library": {
        "__main__", "base", "injection", "launch", "opening", "planning", "references", "settings", "system", "vault",
    },
}  # fmt: skip
# third-party package: the one module that imports it
LIBRARIES = {
    "argon2": "crypto.argon",
    "cryptography": "crypto.primitives",
    "dotenv": "settings.env_syntax",
    "httpx": "network.proxied",
    "hyperscan": "masking.finding",
    "idna": "base.urls",
    "keyring": "credentials.system_keyring",
    "orjson": "base.jsontext",
    "psutil": "system.process_library",
}

OF_EXTRAS = {"keyring"}  # those of LIBRARIES that only an extra installs
OF_SOME_VERSIONS = {"_sha2", "_sha256"}  # parts of the standard library of one version of Python each

# Who may end a process: the entry, and each process's own main module or what it ends by.
MAY_EXIT = {
    "__main__", "launch", "worker", "helpers.renewing", "library.child", "masking.keeper", "masking.process",
    "supervisor.agent", "supervisor.canary", "supervisor.ending", "supervisor.helper", "supervisor.janitor",
    "supervisor.masker", "system.linux_calls", "system.portable_calls",
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
    return {name.partition(".")[0] for name in imports} - {"bwrun"} - sys.stdlib_module_names - OF_SOME_VERSIONS


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


def room_of(module: str) -> str:
    """Return the room of a module; a module outside of the rooms is one of its own."""
    return module.partition(".")[0]


def arrows() -> dict[str, set[str]]:
    """Return for each room the rooms that its modules import."""
    found: dict[str, set[str]] = {}
    for module in MODULES:
        rooms = found.setdefault(room_of(module), set())
        rooms |= {room_of(name) for name in ours(imports_of(module)) - EVERYWHERE} - {room_of(module), "__init__"}
    del found["__init__"]
    return found


def test_rooms_import_what_the_table_says() -> None:
    """The table names exactly the rooms that each room imports: what is not needed any more leaves the table."""
    assert arrows() == ROOMS


def test_rooms_import_only_rooms_above_them() -> None:
    """Each room imports only rooms that stand above it in the table, so there is no cycle."""
    above: set[str] = set()
    for room, needs in ROOMS.items():
        assert needs <= above, room
        above.add(room)


def test_modules_of_a_room_have_no_cycle() -> None:
    """The modules can be put in an order in which each imports only those before it."""
    done: set[str] = {"__init__"}  # it imports nothing before somebody asks for one of its names
    pending = {name: ours(imports_of(name)) - {name} for name in MODULES if name != "__init__"}
    while pending:
        free = {name for name, needs in pending.items() if needs <= done}

        assert free, f"cycle among {sorted(pending)}"
        done |= free
        pending = {name: needs for name, needs in pending.items() if name not in free}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short(module: str) -> None:
    """A module has one duty, so it has no more lines than one can keep in mind."""
    assert len(MODULES[module].read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("room", [room for room in ROOMS if (PACKAGE / room).is_dir()])
def test_a_room_says_what_it_knows(room: str) -> None:
    """The package file of a room holds one docstring and nothing else."""
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text())

    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


def test_each_package_has_one_importer() -> None:
    """A third-party package is imported by one module alone."""
    importers: dict[str, list[str]] = {}
    for module in MODULES:
        for package in third_party(imports_of(module)):
            importers.setdefault(package, []).append(module)

    assert importers == {package: [module] for package, module in LIBRARIES.items()}


def test_every_dependency_is_imported() -> None:
    """What pyproject.toml makes a user install is imported somewhere."""
    wanted = (ROOT / "pyproject.toml").read_text().partition("\ndependencies = [")[2].partition("]\n")[0]
    packages = {"argon2-cffi": "argon2", "python-dotenv": "dotenv"}
    names = [line.strip().lstrip('"').partition(">=")[0] for line in wanted.splitlines() if ">=" in line]

    assert {packages.get(name, name) for name in names} == set(LIBRARIES) - OF_EXTRAS


def test_package_imports_nothing() -> None:
    """To import the package, as launcher and supervisor do, imports no module of it."""
    assert imports_of("__init__", at_start=True) == set()
    assert {name for name in loaded_by("bwrun") if name != "bwrun"} == set()


def test_holder_is_small() -> None:
    """The process that keeps a session for a program of the user's has no module in which more secrets could be."""
    found = {name for name in closure("library.holder") - EVERYWHERE if not name.startswith("system")}

    assert found == {"library.holder", "library.messages"}


def test_launcher_imports_little_before_the_fork() -> None:
    """Until it forks, the launcher has command line, messages and signals, and none of the worker's modules."""
    rooms = {"base", "settings"}

    assert closure("launch") - EVERYWHERE - rooms == {
        "base.console", "base.errors", "launch", "settings.command_line", "settings.option_names", "system.common",
    }  # fmt: skip


def test_supervisor_is_made_of_its_own_modules() -> None:
    """The supervisor's process imports its own modules and the channel: nothing of Bitwarden, nothing with a secret."""
    own = {name for name in MODULES if name.partition(".")[0] in ("supervisor", "system")}
    own -= {"system", "system.kqueue_watching", "system.pipe_readers", "system.process_library"}  # are not for it

    shared = {"base.channel", "base.errors"}

    assert closure("supervisor.__main__") - EVERYWHERE - {"base"} | {"supervisor"} == own | shared


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
