"""The reply to a sync, in the form that the other modules expect: one JSON object whose names are in camelCase."""

from __future__ import annotations

from collections.abc import Mapping

from bwrun.base.errors import ServerError

Record = dict[str, object]


def sync_of(reply: Record) -> Record:
    """
    Return the reply to a sync with its names in camelCase.

    Raises ServerError: the reply is nested too deeply.
    """
    try:
        sync = reply if "profile" in reply else camel_case(reply)
    except RecursionError:
        raise ServerError("unexpected-reply", "the server's reply to the sync is nested too deeply") from None
    return sync if isinstance(sync, dict) else {}


def camel_case(value: object) -> object:
    """Return `value` with every name in camelCase. Old servers use PascalCase."""
    if isinstance(value, dict):
        return {_camel(str(name)): camel_case(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [camel_case(inner) for inner in value]
    return value


def _camel(name: str) -> str:
    return name.lower() if name.isupper() else name[:1].lower() + name[1:]


def organizations_of(sync: Mapping[str, object]) -> object:
    """
    Return the organizations in a sync, as the server sent them.

    If there is `organizationsNew`, it is used instead of `organizations`, as in the official CLI (libs/common/src/
    platform/sync/default-sync.service.ts).  It also contains the organizations in which the user is not confirmed yet;
    they have no key.
    """
    profile = sync.get("profile")
    if not isinstance(profile, dict):
        return None
    newer = profile.get("organizationsNew")
    return profile.get("organizations") if newer is None else newer


def profile_of(sync: Mapping[str, object]) -> Record:
    """
    Return the account's profile in a sync.

    Raises ServerError: there is none.
    """
    profile = sync.get("profile")
    if not isinstance(profile, dict):
        raise ServerError(
            "incomplete-reply",
            "the server's reply to the sync lacks `profile`",
            "check that `--server` is a Bitwarden server, and that it is up to date",
        )
    return profile
