"""`--no-session`: values without a session, nothing written, and no more fetched than is needed."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from tests.conftest import CHEAP
from tests.server.control import Account, BitwardenServer
from tests.server.specs import AccountSpec, AttachmentSpec, ItemSpec, Login, OrganizationSpec
from tests.support.program import BWRUN, Surroundings

UNKNOWN = "c0ffee00-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def vault(server: BitwardenServer) -> Account:
    """Make an account with a dozen items, one of an organization and one with a file."""
    file = AttachmentSpec("a.txt", b"of the file")
    return server.add_account(
        AccountSpec(
            "no-session@example.com",
            "correct horse",
            kdf=CHEAP,
            organizations=(OrganizationSpec("Acme", collections=("Deploy",)),),
            items=(
                *(ItemSpec(f"item-{n}", Login(f"u{n}", f"p{n}"), own_key=n % 2 == 0) for n in range(12)),
                ItemSpec("shared", Login("o", "s3"), organization="Acme", collections=("Deploy",)),
                ItemSpec("filed", Login("o", "f"), attachments=(file,)),
                ItemSpec("gone", Login("o", "g"), trashed=True),
            ),
        )
    )


@pytest.fixture
def run_in(bare: Surroundings, server: BitwardenServer, vault: Account) -> Surroundings:
    """Give surroundings with that account."""
    server.clear_faults()
    bare.use(server, vault)
    server.clear_requests()
    return bare


def asked(server: BitwardenServer) -> list[str]:
    """Return what the server was asked, in no order."""
    return sorted(request.path for request in server.requests())


def test_values_and_no_session(run_in: Surroundings, server: BitwardenServer) -> None:
    """Values by name take one login and one sync; the command gets no session and no credential."""
    script = 'echo "$A ${BW_SESSION-none} ${BITWARDENCLI_APPDATA_DIR-none} ${BW_PASSWORD-none}"'
    done = run_in.run("--no-session", "-e", "A=bw://item-1", "--", "sh", "-c", script)

    assert (done.status, done.stdout, done.stderr) == (0, "p1 none none none\n", "")
    assert asked(server) == ["/api/sync", "/identity/connect/token"]


def test_few_ids_are_fetched_alone(run_in: Surroundings, server: BitwardenServer, vault: Account) -> None:
    """By ids alone, the items are asked for one by one, each once, and the profile only for an organization's."""
    one, shared = vault.item_ids["item-1"], vault.item_ids["shared"]
    words = ["-e", f"A=bw://{one}", "-e", f"B=bw://{one.upper()}/username"]
    done = run_in.run("--no-session", *words, "--", "sh", "-c", 'echo "$A $B"')

    assert (done.status, done.stdout, done.stderr) == (0, "p1 u1\n", "")
    assert asked(server) == [f"/api/ciphers/{one}/details", "/identity/connect/token"]
    server.clear_requests()
    done = run_in.run("--no-session", "-e", f"A=bw://{shared}", "--", "sh", "-c", 'echo "$A"')

    assert (done.status, done.stdout, done.stderr) == (0, "s3\n", "")
    assert asked(server) == ["/api/accounts/profile", f"/api/ciphers/{shared}/details", "/identity/connect/token"]


@pytest.mark.parametrize(("count", "alone"), [(10, True), (11, False)])
def test_many_ids_are_one_sync(
    run_in: Surroundings, server: BitwardenServer, vault: Account, count: int, *, alone: bool
) -> None:
    """Up to ten items are asked for alone; one more, and the whole vault costs less."""
    words = [word for n in range(count) for word in ("-e", f"V{n}=bw://{vault.item_ids[f'item-{n}']}")]
    done = run_in.run("--no-session", *words, "--", "sh", "-c", f'echo "$V{count - 1}"')

    assert (done.status, done.stdout) == (0, f"p{count - 1}\n")
    assert ("/api/sync" in asked(server)) != alone


@pytest.mark.parametrize("query", ["?folder=Prod", "?organization=Acme"])
def test_a_place_needs_the_sync(run_in: Surroundings, server: BitwardenServer, vault: Account, query: str) -> None:
    """What narrows the search is looked up in the whole vault."""
    run_in.run("--no-session", "-e", f"A=bw://{vault.item_ids['item-1']}{query}", "--", "true")

    assert "/api/sync" in asked(server)


def test_ids_give_what_the_sync_gives(run_in: Surroundings, vault: Account) -> None:
    """A whole item and a file are the same from the item alone as from the sync."""
    references = [f"bw://{vault.item_ids['shared']}/json", f"bw://{vault.item_ids['filed']}/attachment/a.txt"]
    words = ["-e", f"A={references[0]}", "-e", f"B={references[1]}", "--", "sh", "-c", 'printf %s "$A"; echo "|$B"']
    alone, synced = run_in.run("--no-session", *words), run_in.run(*words)

    assert alone == synced
    found, _, file = alone.stdout.partition("|")
    assert (json.loads(found)["login"]["password"], file) == ("s3", "of the file\n")
    assert len(json.loads(found)["collectionIds"]) == 1


def test_items_that_cannot_be_had(run_in: Surroundings, vault: Account) -> None:
    """An id that is nobody's, and an item in the trash, are told as from a sync, and nothing is started."""
    words = ["-e", f"A=bw://{UNKNOWN}", "-e", f"B=bw://{vault.item_ids['gone']}"]
    done = run_in.run("--no-session", *words, "--", "touch", "x")

    assert (done.status, sorted(done.codes)) == (125, ["reference.in-trash", "reference.not-found"])
    assert not (run_in.work / "x").exists()
    done = run_in.run("--no-session", "--optional", "A", *words[:2], "--", "sh", "-c", 'echo "${A-unset}"')

    assert (done.status, done.stdout) == (0, "unset\n")


def test_nothing_is_written(run_in: Surroundings) -> None:
    """No directory is needed: one that cannot be used stands in the way of a session, and not of values."""
    words = ["-e", "A=bw://item-1", "--", "sh", "-c", f'ls -A {run_in.runtime}; echo "$A"']
    done = run_in.run("--no-session", *words, env={"BWRUN_RUNTIME_DIR": "/nonexistent"})

    assert (done.status, done.stdout, done.stderr) == (0, "p1\n", "")
    assert run_in.run("--no-session", *words).stdout == "p1\n"
    assert run_in.run(*words, env={"BWRUN_RUNTIME_DIR": "/nonexistent"}).codes == ["session.runtime-dir"]
    words = ["--no-session", "-e", "A=@bw://item-1", "--", "true"]
    assert run_in.run(*words, env={"BWRUN_RUNTIME_DIR": "/nonexistent"}).codes == ["session.runtime-dir"]


def test_nothing_wanted_is_no_login(run_in: Surroundings, server: BitwardenServer) -> None:
    """Without a reference there is nothing to log in for; the credentials are taken away all the same."""
    script = 'echo "${BW_PASSWORD-none}"'
    done = run_in.run("--no-session", "--", "sh", "-c", script)

    assert (done.status, done.stdout, done.stderr) == (0, "none\n", "")
    assert asked(server) == []
    assert run_in.run("--", "sh", "-c", script, env={"BWRUN_NO_SESSION": "1"}).stdout == "none\n"
    assert asked(server) == []


@pytest.mark.parametrize("option", ["--renew", "--session-api-key"])
def test_contradictions(run_in: Surroundings, option: str) -> None:
    """What is for the session contradicts that there is none."""
    assert run_in.run("--no-session", option, "--", "true").codes == ["usage.conflict"]


def test_ends_as_the_command(run_in: Surroundings) -> None:
    """A run without a session passes status and signals on as any other."""
    words = ["--no-session", "-e", "A=bw://item-1", "--", "sh", "-c"]

    assert run_in.run(*words, "exit 7").status == 7
    assert run_in.run(*words, "kill -TERM $$").status == -signal.SIGTERM
    command = [str(BWRUN), *words, "trap 'echo got; exit 3' TERM; echo up; while :; do sleep 0.05; done"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=run_in.environment, cwd=run_in.work, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.stdout.readline() == "got\n"
    assert process.wait() == 3


def test_inside_another_run(run_in: Surroundings) -> None:
    """Inside another run it opens none and leaves the outer session as it is."""
    script = f'a=$BW_SESSION; "{BWRUN}" --no-session -- sh -c \'echo "$BW_SESSION"\' | grep -cxF "$a"'

    assert run_in.run("--", "sh", "-c", script).stdout == "1\n"
