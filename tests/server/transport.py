"""Below HTTP: uvicorn's protocol with its transport in reach, so that a connection can be cut on purpose."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from pathlib import Path
from typing import cast

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

TRANSPORT = "transport"
LOOKS = 50  # for a process, 10 ms apart
LINGER_ZERO = struct.pack("ii", 1, 0)


class CuttableProtocol(H11Protocol):
    """HTTP/1.1 whose requests carry their transport in the scope's state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the transport for the requests to come."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


def transport_of(scope: Scope) -> asyncio.Transport:
    """The connection a request came in on."""
    return cast("asyncio.Transport", scope["state"][TRANSPORT])


def reset(scope: Scope) -> None:
    """End the connection by a TCP reset, without TLS's or TCP's farewell."""
    transport = transport_of(scope)
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    transport.abort()


def client_pid(scope: Scope) -> int | None:
    """The process at the other end of a loopback connection (Linux: /proc/net/tcp, /proc/PID/fd)."""
    for _ in range(LOOKS):  # the lists in /proc are not read at once, so they may miss one that is there
        inode = _inode_of_port(scope["client"][1], scope["server"][1])
        for entry in Path("/proc").iterdir() if inode else ():
            if entry.name.isdigit() and int(entry.name) != os.getpid() and _has_socket(entry / "fd", str(inode)):
                return int(entry.name)
        time.sleep(0.01)
    return None


def _inode_of_port(port: int, remote: int) -> str | None:
    """The inode of the socket with these ports; the columns are those of proc(5), /proc/net/tcp."""
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        columns = line.split()
        ports = [int(columns[place].rpartition(":")[2], 16) for place in (1, 2)]
        if ports == [port, remote] and columns[9] != "0":  # 0: a connection that is over (TIME_WAIT)
            return columns[9]
    return None


def _has_socket(descriptors: Path, inode: str) -> bool:
    wanted = f"socket:[{inode}]"
    try:
        return any(str(link.readlink()) == wanted for link in descriptors.iterdir())
    except OSError:
        return False
