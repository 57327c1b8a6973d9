"""The bill of materials: `make sbom` writes what the lock file says, and what can be checked by the schema."""

from __future__ import annotations

import json
import re

import pytest

from bwrun import __version__
from tests.distribution.sbom import LOCK, bill_of_materials, check, needed_by

EPOCH = 1_700_000_000  # seconds: a time in 2023


def test_bill_of_materials() -> None:
    """It follows the schema, and has bwrun with all packages of the lock file, their hashes, and who needs whom."""
    text = bill_of_materials(EPOCH)
    document = json.loads(text)
    lock = LOCK.read_text()
    root = document["metadata"]["component"]
    names = {one["bom-ref"]: one["name"] for one in document["components"]}
    hashes = {
        one["content"]
        for component in document["components"]
        for reference in component["externalReferences"]
        for one in reference["hashes"]
    }
    needs = {one["ref"]: one["dependsOn"] for one in document["dependencies"]}

    check(text)
    assert (root["name"], root["version"]) == ("bwrun", __version__)
    assert {f"{one['name']}=={one['version']}" for one in document["components"]} == set(
        re.findall(r"^[a-z0-9-]+==[\w.]+", lock, re.MULTILINE)
    )
    assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", lock))
    assert "httpx" in {names[ref] for ref in needs[root["bom-ref"]]}
    assert {names[ref] for one in needs.values() for ref in one} == set(names.values())  # nothing that nobody needs
    assert document["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert bill_of_materials(EPOCH) == text


def test_what_does_not_follow_the_schema() -> None:
    """A bill of materials with a field that the schema does not know is refused."""
    with pytest.raises(ValueError, match="not valid"):
        check('{"bomFormat": "CycloneDX", "specVersion": "1.6", "unknown": 1}')


def test_comments_of_a_lock_file() -> None:
    """What needs a package stands below it, on the same line as `via` or on lines of its own."""
    lock = """\
anyio==4.16.0 \\
    --hash=sha256:59bb
    # via
    #   -c tests/requirements.lock
    #   httpx
    #   bwrun (pyproject.toml)
h11==0.16.0 \\
    --hash=sha256:4e35
    # via httpcore
"""

    assert needed_by(lock) == {"anyio": ["httpx", "bwrun"], "h11": ["httpcore"]}
