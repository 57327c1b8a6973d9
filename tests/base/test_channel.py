"""What worker and supervisor say to each other arrives as it was said."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bwrun.base.channel import Channel, decode, encode

WORDS = st.lists(st.binary(max_size=30), min_size=1, max_size=6)


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    """Give both ends of a channel."""
    one, other = (Channel(end.detach()) for end in socket.socketpair())
    yield one, other

    for channel in (one, other):
        try:
            channel.close()
        except OSError:
            pass  # a test closed it


@settings(deadline=None)  # a loaded machine is no failure
@given(WORDS)
@example([b""])
@example([b"", b"", b""])
@example([b"%", b"%25", b"%%", b" ", b"\n", b"+"])
@example([bytes(range(256))])
def test_round_trip(words: list[bytes]) -> None:
    """Any words come out of a line as they went in, empty ones and every byte included."""
    line = encode(words)

    assert line.endswith(b"\n")
    assert decode(line[:-1]) == words


@settings(deadline=None)  # a loaded machine is no failure
@given(WORDS)
def test_a_message_is_one_plain_line(words: list[bytes]) -> None:
    """A line is printable ASCII and has one newline, at its end, and one space less than words."""
    line = encode(words)

    assert re.fullmatch(rb"[!-~]*( [!-~]*)*\n", line)
    assert line.count(b" ") == len(words) - 1


def test_plain_words_stay_readable() -> None:
    """Letters, digits, and what paths are made of are not encoded; the rest is percent and two hexadecimal digits."""
    assert encode([b"go", b"/run/user/1000/bwrun.1.ab-c_D"]) == b"go /run/user/1000/bwrun.1.ab-c_D\n"
    assert encode([b"a b%\n", "ä".encode()]) == b"a%20b%25%0a %c3%a4\n"


def test_messages_arrive_one_by_one(ends: tuple[Channel, Channel]) -> None:
    """Messages sent at once are received singly and in order; one that has not come whole is waited for."""
    one, other = ends

    assert one.send(b"set", b"name", b"a value")
    assert one.send(b"exec")
    os.write(one.descriptor, b"failed 12")
    assert other.receive() == [b"set", b"name", b"a value"]
    assert other.receive() == [b"exec"]
    os.write(one.descriptor, b"5\n")
    assert other.receive() == [b"failed", b"125"]


def test_drain_takes_what_has_come(ends: tuple[Channel, Channel]) -> None:
    """Draining returns all whole messages, keeps a part for later, and does not wait."""
    one, other = ends
    os.set_blocking(other.descriptor, False)

    assert other.drain() == []
    os.write(one.descriptor, b"ask\nset a%20b\nfail")
    assert other.drain() == [[b"ask"], [b"set", b"a b"]]
    assert other.drain() == []
    os.write(one.descriptor, b"ed 1\n")
    assert other.drain() == [[b"failed", b"1"]]


def test_long_messages_arrive_whole(ends: tuple[Channel, Channel]) -> None:
    """A message longer than one read is put together again."""
    one, other = ends
    long = bytes(range(256)) * 100

    assert one.send(b"refused", long)
    assert other.receive() == [b"refused", long]


def test_the_other_ends_death_is_the_end(ends: tuple[Channel, Channel]) -> None:
    """When the other end is gone, what it had said arrives, then nothing; sending says False and raises nothing."""
    one, other = ends
    one.send(b"exec")
    os.write(one.descriptor, b"a message that was cut o")
    one.close()

    assert other.receive() == [b"exec"]
    assert other.receive() is None
    assert other.send(b"go", b"/tmp/x") is False
    os.set_blocking(other.descriptor, False)
    assert other.drain() == []


def test_unread_messages_of_a_dead_reader_end_it_too(ends: tuple[Channel, Channel]) -> None:
    """A peer that died with unread messages resets the connection, which is its end as well."""
    one, other = ends
    other.send(b"go", b"/tmp/x")
    one.close()

    assert other.receive() is None
