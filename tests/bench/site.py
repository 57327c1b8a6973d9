"""Where the benchmark runs: our own server with vaults of several sizes behind relays, or a server that was named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from tests.bench.relay import relay
from tests.server.control import BitwardenServer
from tests.server.specs import AccountSpec, Argon2id, ItemSpec, Login, Pbkdf2, Uri
from tests.support.program import Surroundings
from tests.support.user_keys import text_of

OFFICIAL_BW = Path(__file__).parents[1] / "cli" / "node_modules" / ".bin" / "bw"
SECRETS = 5  # how many references a run has
DEFAULT_KDF = Pbkdf2(600_000)
ARGON = Argon2id(iterations=3, memory_mib=64, parallelism=4)
CREDENTIALS = ("BW_CLIENTID", "BW_CLIENTSECRET", "BW_PASSWORD")
TAKEN_OVER = ("SSL_CERT_FILE", "BWRUN_IDENTITY_URL", "BWRUN_API_URL", "BWRUN_DEVICE_ID", "BWRUN_CLIENT_VERSION")


def find_official_bw() -> Path | None:
    """Return the installed official CLI, if it can run."""
    return OFFICIAL_BW if OFFICIAL_BW.exists() and shutil.which("node") else None


@dataclass(frozen=True)
class Vault:
    """An account: its credentials as variables, and what can be asked of it, as `bw` names it and as references."""

    credentials: dict[str, str]
    user_key: str | None = None  # in place of the password; None: it is not known
    names: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    by_id: tuple[str, ...] = ()


@dataclass(frozen=True)
class Site:
    """A server at one or more distances, and the vaults it holds by their size; 0 is one of unknown size."""

    surroundings: Surroundings
    urls: dict[int, str]  # round trip in ms: URL
    vaults: dict[int, Vault]
    argon: Vault | None = None
    own: bool = True
    official_bw: Path | None = field(default_factory=find_official_bw)

    @property
    def near(self) -> int:
        """The shortest round trip."""
        return min(self.urls)

    @property
    def small(self) -> int:
        """The smallest vault."""
        return min(self.vaults)

    def environment(self, vault: Vault, distance: int | None = None) -> dict[str, str]:
        """Return the variables of a run with a vault's credentials."""
        url = self.urls[self.near if distance is None else distance]
        return self.surroundings.environment | vault.credentials | {"BWRUN_SERVER": url}


@contextmanager
def own_site(root: Path, distances: tuple[int, ...], sizes: tuple[int, ...]) -> Iterator[Site]:
    """Start our server, its vaults, and a relay for each round trip; all is gone at the end of the block."""
    with ExitStack() as stack:
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  (the cache is kept in RAM alone)
        runtime = stack.enter_context(TemporaryDirectory(prefix="bwrun-bench-", dir=memory))
        surroundings = Surroundings.make(root, Path(runtime))
        server = stack.enter_context(BitwardenServer.start())
        surroundings.use(server)
        port = urlsplit(server.url).port or 0
        urls = {
            distance: f"https://localhost:{stack.enter_context(relay(port, distance / 1000))}" for distance in distances
        }
        vaults = {size: _add_vault(server, size, DEFAULT_KDF) for size in sizes}
        yield Site(surroundings, urls, vaults, _add_vault(server, min(sizes), ARGON))


def _add_vault(server: BitwardenServer, size: int, kdf: Pbkdf2 | Argon2id) -> Vault:
    email = f"{type(kdf).__name__.lower()}-{size}@example.com"
    account = server.add_account(AccountSpec(email, "correct horse", kdf, items=tuple(map(_item, range(size)))))
    names = tuple(f"service {number:05} database" for number in range(0, size, max(1, size // SECRETS)))[:SECRETS]
    return Vault(
        dict(zip(CREDENTIALS, (account.client_id, account.client_secret, account.master_password), strict=True)),
        text_of(account),
        names,
        tuple(f"bw://{name}/password" for name in names),
        tuple(f"bw://{account.item_ids[name]}/password" for name in names),
    )


def _item(number: int) -> ItemSpec:
    """Return one of many; every other one has a key of its own, as items of newer clients have."""
    login = Login("deploy", f"p4ss-{number}", uris=(Uri(f"https://db{number}.example.com/"),))
    name = f"service {number:05} database"
    return ItemSpec(name, login, notes="Ask the platform team before a change.", own_key=number % 2 == 0)


@contextmanager
def foreign_site(root: Path, url: str, references: tuple[str, ...]) -> Iterator[Site]:
    """Take a server as it is, with the credentials in the environment."""
    surroundings = Surroundings.make(root)
    surroundings.environment |= {name: os.environ[name] for name in TAKEN_OVER if name in os.environ}
    names = tuple(reference.removeprefix("bw://").split("/")[0] for reference in references)
    vault = Vault({name: os.environ[name] for name in CREDENTIALS}, None, names, references, references)
    yield Site(surroundings, {0: url.rstrip("/")}, {0: vault}, own=False)
