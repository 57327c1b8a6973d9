"""Accounts that Bitwarden's own SDK makes: keys, signatures and items by code that is not ours (see sdk_account.js)."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from tests.server.json_types import Json, JsonValue
from tests.server.specs import AccountSpec, Argon2id, OrganizationSpec, Pbkdf2

SCRIPT = Path(__file__).with_name("sdk_account.js")
MODULES = Path(__file__).parents[1] / "cli" / "node_modules"
KDF = {"pBKDF2": {"iterations": 5_000}}  # the least that is accepted
ORGANIZATION = OrganizationSpec("Acme", id="8b0d1f6e-3c0e-4b57-9f3e-0123456789ab")
PASSWORD = "correct horse"

Kind = Literal["ed25519", "ml-dsa-44", "key-connector"]


def user_id(email: str) -> str:
    """The id of the account with that address."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"mailto:{email}"))


def make(
    kind: Kind, email: str, items: Sequence[Json], organization_items: Sequence[Json] = (), texts: Sequence[str] = ()
) -> Json:
    """
    What sdk_account.js prints, for an account with PASSWORD and a folder `Prod`.

    `items` are CipherViews, as the SDK calls what an item is in clear; what is left out has no value.
    """
    request = {
        "kind": kind, "email": email, "password": PASSWORD, "userId": user_id(email), "kdf": KDF, "items": items,
        "folders": ["Prod"], "texts": texts, "organization": {"id": ORGANIZATION.id, "items": organization_items},
    }  # fmt: skip
    done = subprocess.run(
        ["node", SCRIPT],
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
        env={**os.environ, "NODE_PATH": str(MODULES)},
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    made: Json = json.loads(done.stdout)
    return made


def spec_of(made: Mapping[str, JsonValue], email: str) -> AccountSpec:
    """The account for the test server."""
    return AccountSpec(
        email,
        PASSWORD,
        client_id=f"user.{user_id(email)}",
        kdf=kdf_of(made["kdf"]),
        organizations=(ORGANIZATION,),
        key_connector="keyConnectorKey" in made,
        sdk=made,
    )


def kdf_of(kdf: Mapping[str, Mapping[str, int]]) -> Pbkdf2 | Argon2id:
    """The KDF as specs have it."""
    if "pBKDF2" in kdf:
        return Pbkdf2(kdf["pBKDF2"]["iterations"])
    costs = kdf["argon2id"]
    return Argon2id(costs["iterations"], costs["memory"], costs["parallelism"])
