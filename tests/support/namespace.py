"""
A network of its own for one test, where some addresses answer and others drop every packet.

It is a Linux network namespace with a mount namespace for /etc/hosts and /etc/resolv.conf: no test changes the machine.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.needs import unavailable

DEAD = ("192.0.2.66", "192.0.2.67", "2001:db8::66")  # routed to a cable at whose end nobody listens
ALIVE = ("198.51.100.80", "2001:db8::80")  # this machine's own, where a port without a listener refuses
NAME_SERVER = "127.0.0.53"
TOOLS = ("ip", "unshare", "nsenter", "mount")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # where `ip` is, and a user's PATH may not reach

SETUP = f"""
set -e
ip link set lo up
ip link add cable type veth peer name end
ip address add 192.0.2.1/24 dev cable
ip address add 2001:db8::1/64 dev cable nodad
ip link set cable up
ip link set end up
for address in {" ".join(DEAD)}; do
    ip neighbour add "$address" lladdr 02:00:00:00:00:66 nud permanent dev cable
done
ip address add {ALIVE[0]}/32 dev cable
# From another address, else the system takes it for the nearest one and puts it first.
ip route replace local {ALIVE[0]} dev cable table local src 192.0.2.1
ip address add {ALIVE[1]}/128 dev cable nodad
mount --bind "$1" /etc/hosts
mount --bind "$2" /etc/resolv.conf
echo ready
exec cat
"""
# Listens where the words say, and hands the socket over: a socket stays in the network it was made in.
LISTEN = """
import socket, sys
host, port, kind, channel = sys.argv[1:]
made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, int(kind))
made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
made.bind((host, int(port)))
if made.type == socket.SOCK_STREAM:
    made.listen(64)
with socket.socket(fileno=int(channel)) as way:
    socket.send_fds(way, [b"x"], [made.fileno()])
"""


@dataclass
class Network:
    """A network in which a program can be run."""

    holder: int
    listeners: list[socket.socket] = field(default_factory=list)

    def before(self, directory: Path) -> tuple[str, ...]:
        """Return the words that start a program in this network and in `directory`."""
        spaces = ("--user", "--net", "--mount", "--preserve-credentials")
        return ("nsenter", f"--target={self.holder}", *spaces, f"--wd={directory}", "--")

    def python(self, code: str, *words: str) -> str:
        """Run Python code in this network, in the repository; return what it prints."""
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [*self.before(root), sys.executable, "-c", code, *words],
            check=True, capture_output=True, encoding="utf-8", timeout=50,
        )  # fmt: skip
        return done.stdout

    def listen(self, host: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """Return a socket that listens in this network; it is closed with the network."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            words = (sys.executable, "-c", LISTEN, host, str(port), str(int(kind)), str(theirs.fileno()))
            subprocess.run([*self.before(Path("/")), *words], check=True, pass_fds=[theirs.fileno()], timeout=50)
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
        listener = socket.socket(fileno=descriptors[0])
        self.listeners.append(listener)
        return listener

    def relay(self, host: str, port: int) -> list[str]:
        """
        Pass connections to `host` and `port` of this network on to that port of the machine's own 127.0.0.1.

        The list that is returned gets an entry for each connection.
        """
        listener = self.listen(host, port)
        connected: list[str] = []

        def pass_on(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)

        def serve(client: socket.socket) -> None:
            with client, suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
                back = threading.Thread(target=pass_on, args=(server, client), daemon=True)
                back.start()
                pass_on(client, server)
                back.join()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    connected.append(host)
                    threading.Thread(target=serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return connected


@contextmanager
def network(directory: Path, hosts: Mapping[str, Sequence[str]]) -> Iterator[Network]:
    """
    Make a network in which names have these addresses, until the end of the block; `directory` is for its files.

    Other names are asked for at `NAME_SERVER`.  The test is skipped on a machine that cannot have such a network,
    with the reason; where CI is set, it fails.
    """
    require_tools()
    lines = [f"{address} {name}\n" for name, addresses in hosts.items() for address in addresses]
    (directory / "hosts").write_text("".join(lines), "utf-8")
    (directory / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\n", "utf-8")
    words = ("sh", "-c", SETUP, "sh", str(directory / "hosts"), str(directory / "resolv.conf"))
    with subprocess.Popen(
        ["unshare", "--map-root-user", "--net", "--mount", *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        env={**os.environ, "PATH": PATH},
    ) as holder:  # fmt: skip
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != "ready\n":
            unavailable(f"no network namespace can be made: {holder.stderr.read().strip()}")
        made = Network(holder.pid)
        try:
            yield made
        finally:
            for listener in made.listeners:
                with suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                listener.close()
            holder.stdin.close()


def require_tools() -> None:
    """Skip or fail the test if a tool is missing."""
    missing = [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]
    if missing:
        unavailable(f"missing: {', '.join(missing)} (Debian: iproute2, util-linux, mount)")
