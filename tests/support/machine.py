"""
A machine that is thrown away: this one's files, copied when they are written to, with processes and mounts of its own.

    with machine("/lib/systemd/systemd") as made:
        made.write("/etc/systemd/system/nightly.service", unit)
        made.start()
        made.run("systemctl", "start", "nightly")

It is made of Linux namespaces and an overlay: that takes a tenth of a second, and no test changes the real machine.
The network is the real one. bwrun is installed in /opt/bwrun, as the recipes say, for every user.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.support.needs import unavailable
from tests.support.program import TIMEOUT
from tests.support.terminal import wait_until

ROOT = Path(__file__).parents[2]
BWRUN = "/opt/bwrun/bin/bwrun"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOLS = ("unshare", "nsenter", "mount", "umount", "pivot_root")
SPACES = ("--mount", "--pid", "--ipc", "--uts", "--cgroup")

# $1: this Python, $2: its virtual environment, $3: the repository, $4: pythonX.Y. Then the words of process 1.
SETUP = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /mnt
cd /mnt
mkdir upper work root venv-upper venv-work
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mkdir -p root/opt/bwrun root/opt/python
mount --bind "$1" root/opt/python
mount -t overlay overlay -o "lowerdir=$2,upperdir=venv-upper,workdir=venv-work" root/opt/bwrun
cd root/opt/bwrun
ln -sf "/opt/python/bin/$4" bin/python
printf 'home = /opt/python/bin\\ninclude-system-site-packages = false\\n' >pyvenv.cfg
printf '#!/opt/bwrun/bin/python\\nimport sys\\nfrom bwrun.__main__ import main\\nsys.exit(main())\\n' >bin/bwrun
rm -f "lib/$4/site-packages/bwrun.pth"
mkdir -p "lib/$4/site-packages/bwrun"
mount --bind "$3/bwrun" "lib/$4/site-packages/bwrun"
cd /mnt/root
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/shm dev/pts dev/mqueue
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"; done
mknod -m 666 dev/tty c 5 0
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
pivot_root . .
umount -l .
cd /
echo /opt/python/lib >/etc/ld.so.conf.d/000-python.conf  # for libpython, which others may not be able to read elsewhere
ldconfig
mount --make-rshared /
shift 4
echo ready
read -r line
exec "$@"
"""


@dataclass
class Machine:
    """A machine; `holder` is the process outside of it on which it depends."""

    holder: subprocess.Popen[str]
    first: int  # process 1, by its pid outside
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH, "LANG": "C.UTF-8"})

    @property
    def root(self) -> Path:
        """Return where its files are seen from outside."""
        return Path(f"/proc/{self.first}/root")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of root's."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def start(self) -> None:
        """Let process 1 become the program that the machine is for."""
        assert self.holder.stdin is not None
        self.holder.stdin.write("\n")
        self.holder.stdin.flush()

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of root's; stdout has both of its streams."""
        done = subprocess.run(
            ["nsenter", f"--target={self.first}", *SPACES, "--", *words],
            check=False, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8", timeout=TIMEOUT,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{words}\n{done.stdout}"
        return done


@contextmanager
def machine(*first: str) -> Iterator[Machine]:
    """
    Make a machine whose first process will become the program with the words `first`; it ends with the block.

    The test is skipped, with the reason, where no such machine can be made; where CI is set, root's tests fail then.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can make a machine of namespaces")
    missing = [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]
    if missing:
        unavailable(f"missing: {', '.join(missing)} (Debian: util-linux, mount)")
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    with control_group() as group:
        # The group is entered first: it is the root of the groups inside.
        words = ["sh", "-c", 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"', "sh", str(group)]
        words += ["unshare", *SPACES, "--fork", "--kill-child", "sh", "-c", SETUP, "sh"]
        words += [sys.base_prefix, sys.prefix, str(ROOT), python, *first]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
            env={"PATH": PATH}, start_new_session=True,
        ) as holder:  # fmt: skip
            assert holder.stdout is not None
            line = holder.stdout.readline()
            if line != "ready\n":
                unavailable(f"no machine can be made of namespaces: {line}{holder.stdout.read()}")
            [child] = psutil.Process(holder.pid).children()
            try:
                yield Machine(holder, child.pid)
            finally:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)  # the kernel ends all processes inside
                with suppress(BrokenPipeError):
                    holder.communicate()


@contextmanager
def control_group() -> Iterator[Path]:
    """Make a group of control groups v2 for one machine, and remove it with those that were made inside."""
    lines = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    places = [Path(fields[1]) for fields in lines if fields[2] == "cgroup2"]
    if not places:
        unavailable("no control groups v2 are mounted")
    try:
        group = Path(tempfile.mkdtemp(prefix="bwrun-test-", dir=places[0]))
    except OSError as error:
        unavailable(f"no control group can be made: {error}")
    try:
        yield group
    finally:
        wait_until(lambda: "populated 0" in (group / "cgroup.events").read_text())
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()
