"""Reading HCL, the language of Nomad's and Terraform's files, by a parser of others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def read_hcl(text: str) -> dict[str, Any]:
    """
    Return the blocks and attributes of a file: `{"job": [{"name": {…}}]}`.

    Raises ValueError: the text is no HCL.
    """
    converter = Path(sys.executable).with_name("hcl2tojson")
    done = subprocess.run(
        [converter, "--strip-string-quotes", "-"], check=False, input=text, capture_output=True, encoding="utf-8"
    )
    if done.returncode != 0:
        raise ValueError(done.stderr)
    read: dict[str, Any] = json.loads(done.stdout)
    return read
