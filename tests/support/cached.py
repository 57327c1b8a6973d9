"""Runs of one account with `--cache`: what each asked the server, and the file that it left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.server.control import Account, BitwardenServer
from tests.server.faults import Status
from tests.support.cache_file import CacheFile, Owner, cache_of, change
from tests.support.program import Ended, Surroundings

NAMES = {
    "/connect/token": "login",
    "/api/accounts/revision-date": "date",
    "/api/sync": "sync",
}
# What a run without a cache asks, in alphabetical order. It asks for the server's config too, but does not wait long
# for it: on a busy machine, that request may come in later. So lists of requests are without it.
COLD = ["date", "login", "sync"]
WARM = ["date"]
SHOW = ("-e", "DB=bw://prod-db/password", "--", "sh", "-c", 'printf %s "$DB"')  # prints a secret of the vault
# Not to be repeated within any timeout, so a run gives up at once; later runs remember it (`Cached.recover()`).
CONFIG = "/api/config"
DOWN = Status(503, '{"message": "down"}', headers={"Retry-After": "99999"})


@dataclass
class Cached:
    """The runs of one account."""

    surroundings: Surroundings
    server: BitwardenServer
    account: Account

    def use(self, account: Account) -> None:
        """Run as that account, or with other credentials of the same, from now on."""
        self.account = account
        self.surroundings.use(self.server, account)

    @property
    def owner(self) -> Owner:
        """Return whose the cache is."""
        return Owner.of(self.account, self.server)

    @property
    def path(self) -> Path:
        """Return where the cache is."""
        return cache_of(self.surroundings, self.owner)

    def read(self) -> CacheFile:
        """Open the cache with other code than bwrun's."""
        return CacheFile.read(self.path.read_bytes(), self.owner)

    def change(self, how: Callable[[CacheFile], CacheFile]) -> None:
        """Change what the cache holds."""
        change(self.path, self.owner, how)

    def recover(self) -> None:
        """Let everything go right again, and forget what runs noted of the server's failures."""
        self.server.clear_faults()
        for path in self.path.parent.iterdir():
            if path.suffix not in (".cache", ".lock"):
                path.unlink()

    def run(self, *options: str | Path, cache: str = "--cache", env: Mapping[str, str | None] | None = None) -> Ended:
        """Run `bwrun --cache OPTIONS` with a command that prints the password of `prod-db`."""
        return self.surroundings.run(*([cache] if cache else []), *options, *SHOW, env=env)

    def ask(
        self, *options: str | Path, cache: str = "--cache", env: Mapping[str, str | None] | None = None
    ) -> list[str]:
        """Run that, which must go well; return what it asked the server, in alphabetical order."""
        self.server.clear_requests()
        done = self.run(*options, cache=cache, env=env)

        assert (done.status, done.stdout, done.stderr) == (0, "p4ss", "")
        return self.asked()

    def asked(self) -> list[str]:
        """Return what was asked since the requests were cleared, in alphabetical order."""
        found = []
        for request in self.server.requests():
            if request.path.endswith(CONFIG):
                continue
            name = next((name for end, name in NAMES.items() if request.path.endswith(end)), request.path)
            found.append(name if request.status == 200 else f"{name} {request.status}")
        return sorted(found)
