"""A cache file: other code opens it, and whatever else lies in its place counts as none."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bwrun.base.sensitive import Sensitive
from bwrun.cache.place import Place, find_place
from bwrun.cache.sealed_file import SealedFile
from bwrun.cache.secrets import NOTHING as SEALED_WITH_NOTHING
from bwrun.cache.secrets import PASSWORD as SEALED_WITH_PASSWORD
from bwrun.cache.secrets import Secrets
from bwrun.cache.store import CacheStore
from tests.support.cache_file import (
    HEADER,
    MAGIC,
    NOTHING,
    PARTS,
    STAMP_END,
    START,
    USER_KEY,
    CacheFile,
    Owner,
)
from tests.support.users import ANOTHER_USER, needs_root

OWNER = Owner("user.A", "s3cret", "correct horse", "https://bw.example/identity", "https://bw.example/api")
CONTENTS = {"state": b"the state", "sync": b"the vault " * 9, "session": b""}
WHOLE = (b"a stamp", *(CONTENTS[name] for name in PARTS))
# N = 2: thousands of files are opened here, and 16 ms each would be too much.
FILE = CacheFile(OWNER, b"a stamp", CONTENTS, log_cost=1, block_size=1)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Give a place for caches."""
    found = find_place({}, str(tmp_path / "caches"), create=True)
    assert found is not None
    yield found

    found.close()


def store_of(place: Place, owner: Owner) -> CacheStore:
    """Return the product's access to the cache of `owner`."""
    password = None if owner.password is None else Sensitive(owner.password.encode())
    kind = SEALED_WITH_NOTHING if password is None else SEALED_WITH_PASSWORD
    secrets = Secrets(Sensitive(owner.client_secret.encode()), password, kind)
    return CacheStore(place, (owner.client_id.lower(), owner.identity, owner.api), secrets)


def path_of(place: Place, owner: Owner = OWNER) -> Path:
    """Return the path of the cache of `owner`."""
    return Path(place.path) / f"{owner.name}.cache"


def put(place: Place, data: bytes, owner: Owner = OWNER) -> Path:
    """Write a file of this user alone in the place of the cache of `owner`."""
    path = path_of(place, owner)
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


def read_all(file: SealedFile | None) -> tuple[bytes | None, ...] | None:
    """Return stamp and parts; None if there is no file."""
    return None if file is None else (file.stamp(), *(file.part(name) for name in PARTS))


def found(place: Place, owner: Owner = OWNER) -> tuple[bytes | None, ...] | None:
    """Return what the product finds in the cache of `owner`; None if there is no cache."""
    return read_all(store_of(place, owner).open())


def opened(place: Place, owner: Owner = OWNER) -> int:
    """Return how many of stamp and parts open."""
    return sum(part is not None for part in found(place, owner) or ())


@pytest.mark.parametrize("password", ["correct horse", "pässwörd ✓", "", None])
def test_other_code_opens_it(place: Place, password: str | None) -> None:
    """What the product writes opens with both secrets by other code; nothing of it is there in clear."""
    owner = replace(OWNER, password=password)
    store = store_of(place, owner)
    assert store.save(store.new(), CONTENTS, b"a stamp") is not None
    data = path_of(place, owner).read_bytes()

    file = CacheFile.read(data, owner)

    assert (file.stamp, file.parts, file.magic) == (b"a stamp", CONTENTS, MAGIC)
    assert (file.kind, file.log_cost, file.block_size) == (NOTHING if password is None else 0, 13, 8)
    for text in (b"a stamp", b"the state", b"the vault", b"s3cret", b"horse", b"user.", b"example"):
        assert text not in data
    wrong = (
        replace(owner, client_secret="s3cres"),
        replace(owner, client_id="user.B"),
        replace(owner, identity="https://bw.example/identitz"),
        replace(owner, api="https://bw.example/apj"),
        *([] if password is None else [replace(owner, password=f"{password} ")]),
    )
    for other in wrong:
        with pytest.raises(ValueError, match="MAC check failed"):
            CacheFile.read(data, other)


def test_opens_what_other_code_wrote(place: Place) -> None:
    """The form and the derivation are those that are written down, also with other costs than today's."""
    for log_cost, block_size in ((1, 1), (13, 8), (12, 8), (14, 4)):
        put(place, replace(FILE, log_cost=log_cost, block_size=block_size).write())

        assert found(place) == WHOLE
    nobody = replace(OWNER, password=None)
    put(place, replace(FILE, owner=nobody, kind=NOTHING).write())

    assert found(place, nobody) == WHOLE
    assert found(place) is None


def test_two_files_have_nothing_in_common(place: Place) -> None:
    """Each file has a salt of its own, and each part and each new stamp a nonce of its own."""
    seen = set()
    for _ in range(3):
        store = store_of(place, OWNER)
        file = store.save(store.new(), CONTENTS, b"a stamp")
        assert file is not None
        for _ in range(3):
            data = path_of(place).read_bytes()
            seen |= {data[HEADER.size :][:12], data[START - 16 : START]}
            assert file.write_stamp(b"a stamp")
        seen.add(data[STAMP_END:][:12])

    assert len(seen) == 3 + 3 * 3 + 3


def test_the_next_version_of_a_vault_keeps_the_key_only(place: Place) -> None:
    """A file that is written again under the same key shares no nonce with the one before."""
    store = store_of(place, OWNER)
    first = store.save(store.new(), CONTENTS, b"a stamp")
    assert first is not None
    before = path_of(place).read_bytes()

    second = store.save(first, {**CONTENTS, "sync": b"another"}, b"a stamp")

    after = path_of(place).read_bytes()
    assert before[:START] == after[:START]
    assert before[HEADER.size :][:12] != after[HEADER.size :][:12]
    assert read_all(second) == found(place) == (b"a stamp", b"the state", b"another", b"")
    assert read_all(first) == WHOLE  # who has it open reads on


def test_every_flipped_bit(place: Place) -> None:
    """
    One bit anywhere: the part that has it does not open; in the header, nothing does. It is never an exception.

    All bits of the header are flipped, and one bit of each byte behind it.
    """
    data = FILE.write()
    path = put(place, data)
    ends = [HEADER.size, STAMP_END]
    for name in PARTS:
        ends.append(ends[-1] + len(CONTENTS[name]) + 28)
    assert ends[-1] == len(data)

    behind = (8 * byte + byte % 8 for byte in range(HEADER.size, len(data)))
    for bit in (*range(8 * HEADER.size), *behind):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        if bit // 8 in (17, 18):  # N and r: too much of either would take its time
            damaged[bit // 8] = damaged[bit // 8] if damaged[bit // 8] < 12 else 200
        path.write_bytes(damaged)
        expected = 0 if bit // 8 < HEADER.size else 3

        assert opened(place) == expected, bit
    path.write_bytes(data)
    assert found(place) == WHOLE


def test_every_size(place: Place) -> None:
    """A file that was cut anywhere, or that has more at its end, counts as none."""
    data = FILE.write()
    path = put(place, data)
    for size in range(len(data)):
        path.write_bytes(data[:size])

        assert found(place) is None, size
    for more in (b"\0", b"\0" * 28, data):
        path.write_bytes(data + more)

        assert found(place) is None


def with_sizes(*sizes: int) -> bytes:
    """Return the file with other sizes in its header; the last part gets the rest."""
    data = FILE.write()
    rest = len(data) - STAMP_END - sum(sizes)
    return data[:START] + struct.pack(">3Q", *sizes, rest) + data[HEADER.size :]


@pytest.mark.parametrize("size", [0, 1, 5, 7, 8, 11, 12, 13, 27, 28, 29, 36, 60])
def test_sizes_that_are_too_small(place: Place, size: int) -> None:
    """Parts without room for nonce and tag count as damaged."""
    for sizes in ((size, size), (size, 40), (40, size)):
        put(place, with_sizes(*sizes))

        assert opened(place) == 0


@pytest.mark.parametrize("sizes", [(1 << 63, 0, 0), (1 << 64) - 1, (0, 0, 1 << 40)])
def test_sizes_that_are_too_large(place: Place, sizes: tuple[int, int, int] | int) -> None:
    """Nothing is read, or reserved, for sizes that the file has not."""
    three = (sizes, sizes, sizes) if isinstance(sizes, int) else sizes
    data = FILE.write()
    put(place, data[:START] + struct.pack(">3Q", *three) + data[HEADER.size :])

    assert found(place) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"magic": MAGIC[:-1] + b"\0"}, None),
        ({"magic": MAGIC[:-1] + b"\2"}, None),
        ({"magic": b"bwrun cachf\0\0\0\0\1"}, None),
        ({"kind": NOTHING}, None),
        ({"kind": USER_KEY}, None),
    ],
    ids=["older", "newer", "another magic", "no second secret", "user key"],
)
def test_another_form_sealed_with_the_right_key(
    place: Place, change: dict[str, object], expected: tuple[bytes, ...] | None
) -> None:
    """Even if it opens, it counts as none when its header has another form than a run of this kind writes."""
    put(place, replace(FILE, **change).write())  # type: ignore[arg-type]

    assert found(place) == expected


@pytest.mark.parametrize(("log_cost", "block_size"), [(0, 8), (17, 8), (31, 8), (255, 8), (13, 0), (13, 9), (1, 255)])
def test_costs_that_no_bwrun_wrote(place: Place, log_cost: int, block_size: int) -> None:
    """A file cannot make a run wait, or take its memory: N and r have limits, and scrypt is not even begun."""
    data = bytearray(FILE.write())
    data[len(MAGIC) + 1], data[len(MAGIC) + 2] = log_cost, block_size
    put(place, bytes(data))

    assert found(place) is None


def test_parts_that_change_places(place: Place) -> None:
    """A part is bound to its name: two of one size do not open in each other's place."""
    contents = dict.fromkeys(PARTS, b"the same size")
    data = replace(FILE, parts=contents, stamp=b"").write()
    size = len(b"the same size") + 28
    parts = [data[STAMP_END + size * number :][:size] for number in range(len(PARTS))]
    put(place, data[:STAMP_END] + parts[1] + parts[0] + parts[2])

    assert found(place) == (b"", None, None, b"the same size")


def test_parts_of_another_file(place: Place) -> None:
    """A part of another file of the same owner, and an older one of this file's sizes, does not open in this one."""
    one, other = FILE.write(), replace(FILE, salt=b"another salt    ").write()
    for start, end in ((HEADER.size, STAMP_END), (STAMP_END, STAMP_END + 37)):
        put(place, one[:start] + other[start:end] + one[end:])

        assert opened(place) == 3
    put(place, one[: HEADER.size] + other[HEADER.size :])
    assert opened(place) == 0


OTHERS = {
    "account": replace(OWNER, client_id="user.B"),
    "identity": replace(OWNER, identity="https://evil.example/identity"),
    "api": replace(OWNER, api="https://evil.example/api"),
    "shifted": replace(OWNER, identity="https://bw.example/identity\0https:", api="//bw.example/api"),
    "client secret": replace(OWNER, client_secret="another"),
    "password": replace(OWNER, password="another"),
    "swapped": replace(OWNER, client_secret="correct horse", password="s3cret"),
    "joined": replace(OWNER, client_secret="s3cretcorrect", password=" horse"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_file_of_another(place: Place, other: str) -> None:
    """A file of another account or server, or under other secrets, does not open in this one's place."""
    put(place, replace(FILE, owner=OTHERS[other]).write())

    assert opened(place) == 0


def open_files() -> int:
    """Return how many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


# What else may lie there. Each function makes it where a good file was.


def open_to_others(path: Path) -> None:
    """Let others read it."""
    path.chmod(0o644)


def open_to_the_group(path: Path) -> None:
    """Let the group write to it."""
    path.chmod(0o620)


def hard_link(path: Path) -> None:
    """Give it a second name."""
    os.link(path, path.with_suffix(".second"))


def symbolic_link(path: Path) -> None:
    """Put a link to it in its place."""
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved").name)


def dead_link(path: Path) -> None:
    """Put a link there that leads nowhere."""
    path.unlink()
    path.symlink_to("nowhere")


def pipe(path: Path) -> None:
    """Put a named pipe there, whose opening could wait for ever."""
    path.unlink()
    os.mkfifo(path, 0o600)


def empty(path: Path) -> None:
    """Make it empty."""
    path.write_bytes(b"")


def text(path: Path) -> None:
    """Put something else there."""
    path.write_bytes(b"something else\n" * 100)


def of_another_user(path: Path) -> None:
    """Give it to another user; root could read it."""
    os.chown(path, ANOTHER_USER, ANOTHER_USER)


SQUATTERS = (open_to_others, open_to_the_group, hard_link, symbolic_link, dead_link, pipe, empty, text)


@pytest.mark.parametrize("squat", [*SQUATTERS, pytest.param(of_another_user, marks=needs_root)])
def test_what_else_lies_there(place: Place, squat: Callable[[Path], None]) -> None:
    """It counts as none, no descriptor stays open, and the next file takes its place."""
    path = put(place, FILE.write())
    assert found(place) == WHOLE
    squat(path)
    before = open_files()
    store = store_of(place, OWNER)

    assert store.open() is None
    assert open_files() == before
    saved = store.save(store.new(), CONTENTS, b"a stamp")
    assert read_all(saved) == found(place) == WHOLE
    status = path.lstat()
    assert (status.st_mode, status.st_nlink, status.st_uid) == (0o100600, 1, os.geteuid())


def test_a_directory_lies_there(place: Place) -> None:
    """Nothing can be kept, and nothing is thrown."""
    path_of(place).mkdir()
    store = store_of(place, OWNER)

    assert store.open() is None
    assert store.save(store.new(), CONTENTS, b"a stamp") is None
    store.remove_own()
    assert [one.name for one in Path(place.path).iterdir()] == [f"{OWNER.name}.cache"]


@pytest.mark.parametrize("squat", [dead_link, pipe, empty, text, hard_link, open_to_others])
def test_what_lies_in_place_of_the_new_file(place: Place, squat: Callable[[Path], None]) -> None:
    """What a killed run left, or somebody put there, is removed and not written to."""
    new = put(place, b"left").rename(path_of(place).with_suffix(".cache.new"))
    squat(new)
    store = store_of(place, OWNER)

    assert read_all(store.save(store.new(), CONTENTS, b"a stamp")) == found(place) == WHOLE
    assert not new.exists()
    assert not (Path(place.path) / "nowhere").exists()


def test_lock_that_cannot_be_had(place: Place) -> None:
    """The lock only saves logins: whatever lies in its place, no run waits for ever, and none fails."""
    lock = path_of(place).with_suffix(".lock")
    for squat in (Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")):
        squat(lock)
        store = store_of(place, OWNER)

        assert store.try_lock() is None
        store.unlock()
        if lock.is_dir():
            lock.rmdir()
        else:
            lock.unlink()
    assert not (Path(place.path) / "nowhere").exists()


def test_a_stamp_is_replaced_alone(place: Place) -> None:
    """A new stamp changes the stamp's bytes and no others, and opens by other code."""
    put(place, FILE.write())
    before = path_of(place).read_bytes()
    file = store_of(place, OWNER).open()
    assert file is not None

    assert file.write_stamp(b"x" * 128)

    after = path_of(place).read_bytes()
    assert (before[: HEADER.size], before[STAMP_END:]) == (after[: HEADER.size], after[STAMP_END:])
    assert CacheFile.read(after, OWNER).stamp == b"x" * 128


def test_half_a_stamp(place: Place) -> None:
    """A stamp that was written half does not open; the vault does."""
    one, other = FILE.write(), replace(FILE, stamp=b"newer").write()
    middle = HEADER.size + 64
    put(place, other[:middle] + one[middle:])

    assert found(place) == (None, *WHOLE[1:])


def test_a_failure_is_told_once_and_to_the_right_ones(place: Place) -> None:
    """The note of a failed login is sealed: other credentials do not read it, and it tells no secret in clear."""
    from bwrun.base.errors import AuthenticationError  # noqa: PLC0415
    from bwrun.base.moment import Moment  # noqa: PLC0415

    began = Moment.now()
    store_of(place, OWNER).note_failure(AuthenticationError("refused", "no such key", "copy it again"), Moment.now())
    later = Moment.now()
    note = path_of(place).with_suffix(".failed")

    told = store_of(place, OWNER).failure_since(began)

    assert told is not None
    assert (told.code, told.message, tuple(told.hints)) == ("auth.refused", "no such key", ("copy it again",))
    assert store_of(place, OWNER).failure_since(later) is None
    for other in ("client secret", "password"):
        assert store_of(place, OTHERS[other]).failure_since(began) is None
    data = note.read_bytes()
    assert b"refused" not in data
    assert note.stat().st_mode & 0o777 == 0o600
    for position in (0, START, STAMP_END):
        note.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        assert store_of(place, OWNER).failure_since(began) is None
