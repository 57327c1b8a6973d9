"""A name service in a test's own network, which can be slow, or silent to one kind of question (RFC 1035)."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from tests.support.namespace import NAME_SERVER, Network

TYPES = {1: "A", 28: "AAAA"}
FAMILIES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}


def answer_names(
    network: Network, addresses: Mapping[str, str], *, delay: float = 0.0, silent: Sequence[str] = ()
) -> None:
    """
    Answer for every name with these addresses (by "A" and "AAAA"), or that there is none.

    An answer comes `delay` seconds late; questions of the kinds in `silent` get none.
    """
    listener = network.listen(NAME_SERVER, 53, socket.SOCK_DGRAM)

    def answer(question: bytes, asker: tuple[str, int]) -> None:
        end = question.index(b"\0", 12) + 5  # the name, its type and its class
        kind = TYPES.get(struct.unpack(">H", question[end - 4 : end - 2])[0], "")
        if kind in silent:
            return
        time.sleep(delay)
        records = b""
        if kind in addresses:
            packed = socket.inet_pton(FAMILIES[kind], addresses[kind])
            records = b"\xc0\x0c" + question[end - 4 : end] + struct.pack(">IH", 60, len(packed)) + packed
        head = question[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, 1 if records else 0, 0, 0)
        with suppress(OSError):
            listener.sendto(head + question[12:end] + records, asker)

    def serve() -> None:
        with suppress(OSError):
            while True:
                question, asker = listener.recvfrom(4096)
                if not question:
                    return  # the network is gone
                threading.Thread(target=answer, args=(question, asker), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
