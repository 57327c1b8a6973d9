"""Whether the environment names a proxy."""

from __future__ import annotations

import os

VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


def has_proxy() -> bool:
    """Return whether there is one, maybe not for every host."""
    return any(os.environ.get(name) or os.environ.get(name.upper()) for name in VARIABLES)
