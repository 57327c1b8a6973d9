"""Names of variables that are probably meant to be one of bwrun's own: BWRUN_SEVER, BW_CLIENT_ID."""

from __future__ import annotations

from bwrun.settings.option_names import FLAG_OPTIONS, LIST_OPTIONS, VALUE_OPTIONS
from bwrun.settings.sources import CREDENTIAL_FILES, CREDENTIALS, PREFIX, USER_KEY, USER_KEY_FILE, variable_name

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Collection

# Settings that have a variable and no option.
WITHOUT_OPTION = (
    "BWRUN_DEVICE_ID", "BWRUN_RUNTIME_DIR", "BWRUN_CACHE_DIR", "BWRUN_CLIENT_VERSION", USER_KEY, USER_KEY_FILE,
)  # fmt: skip
KNOWN = frozenset((*map(variable_name, (*VALUE_OPTIONS, *LIST_OPTIONS, *FLAG_OPTIONS)), *WITHOUT_OPTION))
OTHERS_OWN = "BW_"  # the official CLI has variables of its own with this prefix
SYNONYMS = {
    "BWMASTERPASSWORD": "BW_PASSWORD", "BWPASS": "BW_PASSWORD", "BWSECRET": "BW_CLIENTSECRET", "BWUSERKEY": USER_KEY,
    "BWUSERKEYFILE": USER_KEY_FILE,
}  # fmt: skip


def misspelled(names: Collection[str]) -> dict[str, str | None]:
    """
    Return those of `names` that bwrun does not know, each with the name that is probably meant.

    A BWRUN_ name that resembles none has None; another BW_ name that resembles none is the official CLI's affair.
    """
    found: dict[str, str | None] = {}
    for name in names:
        if name.startswith(PREFIX):
            if name not in KNOWN:
                found[name] = nearest(name, KNOWN)
        elif name.startswith(OTHERS_OWN) and name not in CREDENTIALS and name not in CREDENTIAL_FILES:
            meant = _same_letters(name)
            if meant is not None:
                found[name] = meant
    return found


def _same_letters(name: str) -> str | None:
    """Return the credential that differs from `name` in underscores alone, or that people call so."""
    letters = name.replace("_", "")
    known = {one.replace("_", ""): one for one in (*CREDENTIALS, *CREDENTIAL_FILES)}
    return known.get(letters) or SYNONYMS.get(letters)


def nearest(name: str, known: Collection[str], likeness: float = 0.8) -> str | None:
    """Return the one of the `known` names that resembles a wrong one most; None if none is so like, of 1."""
    import difflib  # noqa: PLC0415  (15 ms: only where a name is wrong)

    near = difflib.get_close_matches(name, known, 1, likeness)
    return near[0] if near else None
