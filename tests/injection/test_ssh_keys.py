"""`--ssh-key`: which items it takes, what it refuses, and where it may stand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.server.control import Account, BitwardenServer
from tests.support.files import write_private
from tests.support.openssh import tool
from tests.support.program import Ended, Surroundings
from tests.support.ssh_vault import ED25519_ID, pair_of

LIST = ("ssh-add", "-L")


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    """See that OpenSSH's client is there."""
    for name in ("ssh-add", "ssh-agent", "ssh-keygen"):
        tool(name)


def has_keys(done: Ended, *items: str) -> bool:
    """Return whether `ssh-add -L` has printed the keys of these items, in this order, and nothing went wrong."""
    found = [" ".join(line.split()[:2]) for line in done.stdout.splitlines()]
    return (done.status, done.stderr, found) == (0, "", [pair_of(item).public for item in items])


# What names an item ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "item"),
    [
        ("Ed25519", "Ed25519"),
        ("bw://Ed25519", "Ed25519"),
        (ED25519_ID, "Ed25519"),
        (ED25519_ID.upper(), "Ed25519"),
        (f"bw://{ED25519_ID}", "Ed25519"),
        ("ECDSA%20P-256", "ECDSA P-256"),
        ("narrowed?folder=Prod", "narrowed"),
        ("of%20Acme?organization=Acme&collection=Ops", "of Acme"),
    ],
)
def test_selectors(with_keys: Surroundings, selector: str, item: str) -> None:
    """An item is named as in a reference, with or without the scheme."""
    assert has_keys(with_keys.run("--no-session", "--ssh-key", selector, "--", *LIST), item)


def test_variable(with_keys: Surroundings) -> None:
    """BWRUN_SSH_KEY has one item a line; the option replaces it; the command does not see it."""
    env = {"BWRUN_SSH_KEY": "Ed25519\n\n  ECDSA P-256 \r\n"}

    assert has_keys(with_keys.run("--no-session", "--", *LIST, env=env), "Ed25519", "ECDSA P-256")
    assert has_keys(with_keys.run("--no-session", "--ssh-key", "RSA", "--", *LIST, env=env), "RSA")
    assert with_keys.run("--", "sh", "-c", 'echo "${BWRUN_SSH_KEY-unset}"', env=env).stdout == "unset\n"


def test_env_files(with_keys: Surroundings) -> None:
    """A `.env` that was found cannot ask for a key; one that was named can."""
    write_private(with_keys.work / ".env", "BWRUN_SSH_KEY=Ed25519")
    show = ("sh", "-c", 'echo "${SSH_AUTH_SOCK-unset}"')

    done = with_keys.run("--", *show)
    assert (done.status, done.stdout) == (0, "unset\n")
    assert "warning: " in done.stderr
    assert "BWRUN_SSH_KEY" in done.stderr
    assert has_keys(with_keys.run("--env-file", ".env", "--", *LIST), "Ed25519")


def test_protected(with_keys: Surroundings) -> None:
    """A key that asks for the master password again is taken with --allow-protected, as a reference is."""
    words = ["--no-session", "--ssh-key", "guarded", "--", *LIST]

    assert with_keys.run(*words).codes == ["reference.protected"]
    assert has_keys(with_keys.run("--allow-protected", *words), "guarded")


def test_few_requests(with_keys: Surroundings, server: BitwardenServer) -> None:
    """Without a session, a key that is named by its id is fetched alone: there is no sync."""
    assert has_keys(with_keys.run("--no-session", "--ssh-key", ED25519_ID, "--", *LIST), "Ed25519")
    paths = [request.path for request in server.requests()]
    assert f"/api/ciphers/{ED25519_ID}/details" in paths
    assert "/api/sync" not in paths


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "code", "words"),
    [
        ("nix", "reference.not-found", "no item is called `nix`"),
        ("narrowed", "reference.ambiguous", "2 items are called `narrowed`"),
        ("narrowed?folder=nix", "reference.not-found", "`nix`"),
        ("guarded", "reference.protected", "`guarded`"),
        ("gone", "reference.in-trash", "`gone`"),
        ("prod-db", "reference.no-field", "item `prod-db` (login)"),
        ("locked", "crypto.ssh-passphrase", "passphrase"),
        ("broken", "crypto.ssh-key", "private key"),
        ("Ed25519/ssh.private_key", "reference.invalid", "--ssh-key"),
        ("Ed25519?nix=x", "reference.invalid", "`nix`"),
        ("", "reference.invalid", "empty"),
    ],
)
def test_cannot_be_used(with_keys: Surroundings, selector: str, code: str, words: str) -> None:
    """An item that is none, not one, or no SSH key that can be used stops the run; the error names it."""
    done = with_keys.run("--optional", "SSH_AUTH_SOCK", "--ssh-key", selector, "--", "touch", "x")

    assert (done.status, done.codes) == (125, [code])
    assert f"--ssh-key {selector}: " in done.stderr
    assert words in done.stderr
    assert "AAAA" not in done.stderr
    assert not (with_keys.work / "x").exists()


def test_everything_at_once(with_keys: Surroundings) -> None:
    """Keys, items and references that fail are told in one go."""
    keys = [word for item in ("nix", "locked", "prod-db") for word in ("--ssh-key", item)]
    done = with_keys.run(*keys, "--item", "nix", "-e", "X=bw://nix", "--", "true")

    assert done.status == 125
    assert sorted(done.codes) == ["crypto.ssh-passphrase", "reference.no-field", *["reference.not-found"] * 3]


def test_malformed_before_any_request(with_keys: Surroundings, server: BitwardenServer) -> None:
    """What is malformed is told before the login, with the malformed references."""
    done = with_keys.run("--ssh-key", "a#b", "-e", "X=bw://", "--", "true")

    assert (done.status, done.codes) == (125, ["reference.invalid", "reference.invalid"])
    assert not any(request.path.endswith("/connect/token") for request in server.requests())


def test_two_options_for_one_variable(with_keys: Surroundings) -> None:
    """Another option cannot set SSH_AUTH_SOCK beside this one."""
    (with_keys.work / "in").write_text("text")
    for words, code in (
        (("-e", "SSH_AUTH_SOCK=/x"), "usage.conflict"),
        (("--template", "in:SSH_AUTH_SOCK"), "usage.template"),
    ):
        done = with_keys.run("--ssh-key", "Ed25519", *words, "--", "true")

        assert (done.status, done.codes) == (125, [code])
        assert "SSH_AUTH_SOCK" in done.stderr


def test_who_wins(with_keys: Surroundings) -> None:
    """The option wins over the environment, env files and items, and a reference that loses is not looked up."""
    write_private(with_keys.work / ".env", "SSH_AUTH_SOCK=bw://nix")
    words = ["--ssh-key", "Ed25519", "--item", "prod-db"]

    assert has_keys(with_keys.run(*words, "--", *LIST), "Ed25519")
    assert has_keys(with_keys.run(*words, "--", *LIST, env={"SSH_AUTH_SOCK": "@bw://nix"}), "Ed25519")


# Look before you run --------------------------------------------------------------------------------------------------


def test_check(with_keys: Surroundings, keys_account: Account, tmp_path: Path) -> None:
    """--check names the items whose keys the agent would hold, and starts no agent."""
    (tmp_path / "bin").mkdir()
    for name in ("ssh-agent", "ssh-add"):
        (tmp_path / "bin" / name).write_text('#!/bin/sh\ntouch "$0".called\n')
        (tmp_path / "bin" / name).chmod(0o755)
    env = {"PATH": f"{tmp_path / 'bin'}:{with_keys.environment['PATH']}", "SSH_AUTH_SOCK": "/x"}
    words = ["--ssh-key", "Ed25519", "--ssh-key", "ECDSA P-256", "--check"]

    done = with_keys.run(*words, env=env)
    rows = [" ".join(line.split()) for line in done.stdout.splitlines() if line.startswith("SSH_AUTH_SOCK")]
    assert (done.status, done.stderr) == (0, "")
    assert rows == [
        "SSH_AUTH_SOCK agent Ed25519 ssh.private_key --ssh-key the environment",
        "SSH_AUTH_SOCK agent ECDSA P-256 ssh.private_key --ssh-key the environment",
    ]
    assert not list((tmp_path / "bin").glob("*.called"))

    report = json.loads(with_keys.run(*words, "--json", env=env).stdout)
    found = [one for one in report["variables"] if one["kind"] == "agent"]
    assert [(one["name"], one["item"], one["item_id"]) for one in found] == [
        ("SSH_AUTH_SOCK", item, keys_account.item_ids[item]) for item in ("Ed25519", "ECDSA P-256")
    ]
    assert "SSH_AUTH_SOCK" not in report["inherited"]


def test_check_fails_as_the_run(with_keys: Surroundings) -> None:
    """--check fails where the run would: a key that cannot be used, a program that is not there."""
    assert with_keys.run("--ssh-key", "locked", "--check").codes == ["crypto.ssh-passphrase"]
    done = with_keys.run("--ssh-key", "Ed25519", "--check", env={"PATH": str(with_keys.home)})
    assert (done.status, done.codes) == (125, ["session.no-ssh-agent"])
