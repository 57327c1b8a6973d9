"""
`make sbom`: write the bill of materials to dist/bwrun.cdx.json, in the form of CycloneDX 1.6.

cyclonedx-py reads the lock file. It does not find the version, which flit reads from the code, and does not read the
comments in which the lock file says what needs what. Both are added here. The schema of CycloneDX checks the result.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from bwrun import __version__
from tests.distribution.building import DIST, epoch_of
from tests.support.pages import ROOT

LOCK = ROOT / "tests" / "runtime.lock"
SBOM = DIST / "bwrun.cdx.json"

_PACKAGE = re.compile(r"^([a-z0-9._-]+)==")
_NEEDED_BY = re.compile(r"^ +#(?: via)? +(?!via$)([a-z0-9._-]+)(?: \(pyproject\.toml\))?$")


def bill_of_materials(epoch: int) -> str:
    """Return the bill of materials; `epoch` is its time, in seconds since 1970."""
    document = _from_lock(epoch)
    root = document["metadata"]["component"]
    root["version"] = __version__
    root["purl"] = f"pkg:pypi/bwrun@{__version__}"
    names = {one["name"]: one["bom-ref"] for one in document["components"]} | {"bwrun": root["bom-ref"]}
    needs: dict[str, list[str]] = {name: [] for name in names}
    for name, parents in needed_by(LOCK.read_text()).items():
        for parent in parents:
            needs[parent].append(name)
    document["dependencies"] = [
        {"ref": names[name], "dependsOn": [names[other] for other in sorted(needs[name])]} for name in sorted(needs)
    ]
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def check(text: str) -> None:
    """
    Check a bill of materials by the schema of CycloneDX.

    Raises ValueError: it does not follow the schema.
    """
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        raise ValueError(f"not valid: {error}")


def needed_by(lock: str) -> dict[str, list[str]]:
    """Return for each package of a lock file what needs it: other packages, or `bwrun`."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in lock.splitlines():
        package, parent = _PACKAGE.match(line), _NEEDED_BY.match(line)
        if package:
            name = package[1]
            found[name] = []
        elif parent:
            found[name].append(parent[1])
    return found


def _from_lock(epoch: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "pyproject.toml")
        text = (ROOT / "pyproject.toml").read_text()
        project.write_text(text.replace('dynamic = ["version"]', f'version = "{__version__}"'))
        done = subprocess.run(
            [
                sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "--pyproject", project,
                "--mc-type", "application", "--spec-version", "1.6", "--output-reproducible", "--no-validate", LOCK,
            ],
            check=True, env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}, capture_output=True, text=True,
        )  # fmt: skip
    document: dict[str, Any] = json.loads(done.stdout)
    for component in document["components"]:
        del component["description"]  # the lines of the lock file once more
    return document


if __name__ == "__main__":
    made = bill_of_materials(epoch_of(ROOT))
    check(made)
    DIST.mkdir(exist_ok=True)
    SBOM.write_text(made)
    sys.stdout.write(f"{SBOM.relative_to(ROOT)}\n")
