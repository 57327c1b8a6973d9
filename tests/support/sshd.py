"""A real sshd on loopback, which lets in whoever has one of some keys, and the ssh that knows it."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.openssh import key_pair, tool
from tests.support.terminal import wait_until

HOST = "127.0.0.1"
TRIES = 10  # ports: between the choice of a free one and sshd's start another program may take it
PRIVILEGE_SEPARATION = Path("/run/sshd")  # of root's sshd on Debian, whose service makes it
SERVER_CONFIG = """\
ListenAddress {host}:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
MaxAuthTries 20
"""
CLIENT_CONFIG = """\
Host deploy
    HostName {host}
    Port {port}
    User {user}
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile none
    IdentityFile none
    BatchMode yes
"""


@dataclass(frozen=True)
class Sshd:
    """An sshd that runs; `client_config` is for `ssh -F`, and has it as host `deploy`."""

    port: int
    client_config: Path


@contextmanager
def running(folder: Path, authorized: list[str]) -> Iterator[Sshd]:
    """Start an sshd that lets this user in with one of the public keys `authorized`; at the block's end it is gone."""
    if os.geteuid() == 0:
        PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    host_key = key_pair("Ed25519", comment="host")
    (folder / "host_key").touch(mode=0o600)
    (folder / "host_key").write_bytes(host_key.private)
    (folder / "authorized_keys").write_text("".join(f"{key}\n" for key in authorized))
    for _ in range(TRIES):
        port = free_port()
        process = start(folder, port)
        try:
            if listens(process, port):
                names = {"host": HOST, "port": port, "folder": folder, "user": pwd.getpwuid(os.geteuid()).pw_name}
                (folder / "known_hosts").write_text(f"[{HOST}]:{port} {host_key.public}\n")
                (folder / "ssh_config").write_text(CLIENT_CONFIG.format_map(names))
                yield Sshd(port, folder / "ssh_config")
                return
        finally:
            process.kill()
            process.wait()
    raise AssertionError((folder / "sshd.log").read_text())


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start an sshd on a port."""
    (folder / "sshd_config").write_text(SERVER_CONFIG.format(host=HOST, port=port, folder=folder))
    with (folder / "sshd.log").open("ab") as log:
        words = [tool("sshd"), "-D", "-e", "-f", str(folder / "sshd_config")]
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until sshd answers, or has ended; return whether it answers."""

    def answers() -> bool:
        try:
            with socket.create_connection((HOST, port), 1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    wait_until(lambda: process.poll() is not None or answers())
    return process.poll() is None
