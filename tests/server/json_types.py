"""Names for JSON in types: its shape is known where it is made, not to the type checker."""

from __future__ import annotations

from typing import Any

JsonValue = Any
Json = dict[str, JsonValue]
