"""Accounts of Bitwarden's own SDK: what it makes opens here, and both clients say the same of it."""

from __future__ import annotations

import base64

import pytest

from bwrun.crypto import keys as product
from bwrun.crypto.account_keys import open_account_keys, open_user_key, read_key_connector_key
from bwrun.crypto.blob import find_blob
from bwrun.sensitive import Sensitive
from tests.server import sdk
from tests.server.specs import Argon2id

pytestmark = [pytest.mark.official_cli, pytest.mark.timeout(300)]

EMAIL = "ada@example.com"
TEXTS = ["", "x" * 31, "x" * 32, "grüße"]
ITEM = {"name": "prod-db", "type": 1, "notes": "n", "login": {"username": "deploy", "password": "p4ss"}}
ALGORITHMS: dict[sdk.Kind, str] = {"ed25519": "ed25519", "ml-dsa-44": "mlDsa44", "key-connector": "mlDsa44"}


@pytest.mark.parametrize("kind", ALGORITHMS)
@pytest.mark.usefixtures("official_bw")
def test_opens_what_the_sdk_makes(kind: sdk.Kind) -> None:
    """Each key, signature, text, file and item that the SDK makes opens, to what the SDK says it is."""
    made = sdk.make(kind, EMAIL, [ITEM], [ITEM], TEXTS)
    if kind == "key-connector":
        master_key = read_key_connector_key(made["keyConnectorKey"])
    else:
        kdf = sdk.kdf_of(made["kdf"])
        costs: product.Kdf = (
            product.Argon2id(kdf.iterations, kdf.memory_mib, kdf.parallelism)
            if isinstance(kdf, Argon2id)
            else product.Pbkdf2(kdf.iterations)
        )
        master_key = product.derive_master_key(Sensitive(sdk.PASSWORD.encode()), made["salt"], costs)
    key = open_user_key(made["wrappedUserKey"], master_key)
    clear, state = made["clear"], made["state"]
    names = ("private_key", "signing_key", "signed_public_key", "security_state")
    keys = open_account_keys(key, product.WrappedAccountKeys(*(state[name] for name in names)), sdk.user_id(EMAIL))

    assert made["signatureAlgorithm"] == ALGORITHMS[kind]
    assert (base64.b64encode(key.encode()).decode(), key.key_id.hex()) == (clear["userKey"], clear["userKeyId"])
    assert (keys.verified, keys.security_version) == (True, 2)
    assert [key.decrypt_text(text) for text in made["texts"]] == TEXTS
    assert [key.decrypt_buffer(base64.b64decode(file)).decode() for file in made["files"]] == TEXTS
    assert key.decrypt_text(made["folders"][0]["name"]) == "Prod"
    aes = keys.unwrap_organization_key(made["wrappedOrganizationKey"])
    assert (base64.b64encode(aes.encode()).decode(), aes.key_id.hex()) == (clear["aesKey"], clear["aesKeyId"])
    assert key.unwrap_key(made["wrappedAesKey"]).encode() == aes.encode()
    xchacha = key.unwrap_key(made["wrappedXchachaKey"])
    assert aes.unwrap_key(made["xchachaUnderAes"]).encode() == xchacha.encode()
    assert [xchacha.decrypt_text(text) for text in made["xchachaTexts"]] == TEXTS
    (cipher,) = made["ciphers"]
    blob = find_blob(cipher["data"])
    assert blob is not None
    content = blob.open(key.unwrap_key(cipher["key"]))
    assert (content["name"], content["notes"]) == ("prod-db", "n")
    assert aes.decrypt_text(made["organizationCiphers"][0]["login"]["password"]) == "p4ss"
