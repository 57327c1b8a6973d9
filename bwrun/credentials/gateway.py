"""Reading the headers for a gateway, and the passphrase of the client certificate's private key."""

from __future__ import annotations

import os
import time

from bwrun.base.deadline import Deadline
from bwrun.base.errors import ConfigError, CredentialError
from bwrun.base.reading import read_file
from bwrun.base.sensitive import Sensitive
from bwrun.credentials.secret_files import read_secret_file
from bwrun.settings.gateway import GatewaySettings
from bwrun.settings.sources import Sources

MAX_HEADER_FILE = 8 * 1024  # bytes: servers take no more than that
NAME_CHARACTERS = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")  # a token (RFC 9110, 5.6.2)
# What bwrun or HTTP itself sets.
RESERVED = frozenset((
    "accept", "accept-encoding", "authorization", "bitwarden-client-name", "bitwarden-client-version", "connection",
    "content-length", "content-type", "device-type", "expect", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade", "user-agent",
))  # fmt: skip


def read_headers(path: str, deadline: Deadline) -> dict[str, Sensitive]:
    """
    Return the headers in a file: lines `Name: value`; empty lines and those that begin with `#` are passed over.

    Raises ConfigError: it cannot be read, or a line is no header that can be sent; NetworkError: the deadline.
    """
    try:
        data = read_file(path, MAX_HEADER_FILE + 1, deadline)
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno or 0) if isinstance(error, OSError) else "the name contains a NUL byte"
        raise ConfigError("header-file", f"cannot read `{path}` (from `--header-file`): {why}") from None
    if len(data) > MAX_HEADER_FILE:
        raise ConfigError(
            "header-file", f"`{path}` is larger than {MAX_HEADER_FILE >> 10} KiB, which servers do not accept"
        )
    headers: dict[str, Sensitive] = {}
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        text = line.removesuffix(b"\r").decode("latin-1")
        if not text.strip(" \t") or text.startswith("#"):
            continue
        name, value = _header(text, f"`{path}` line {number}")
        if name.lower() in map(str.lower, headers):
            raise ConfigError("header-file", f"`{path}` line {number}: the header `{name}` appears twice")
        headers[name] = Sensitive(value.encode("ascii"))
    if not headers:
        raise ConfigError("header-file", f"`{path}` contains no header", "write one header per line: `Name: value`")
    return headers


def _header(line: str, where: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    # A line that is no header is not shown: it may be the value of one.
    if not colon or not name or not NAME_CHARACTERS.issuperset(name.lower()):
        raise ConfigError("header-file", f"{where} is not a header", "write it as `Name: value`")
    value = value.strip(" \t")
    if name.lower() in RESERVED or name.lower().startswith("proxy-"):
        raise ConfigError("header-file", f"{where}: bwrun sets the header `{name}` itself")
    if not value:
        raise ConfigError("header-file", f"{where}: the header `{name}` has no value")
    if not all(" " <= character <= "~" or character == "\t" for character in value):
        raise ConfigError(
            "header-file", f"{where}: the value of `{name}` contains a character that is not printable ASCII"
        )
    return name, value


def read_key_password(gateway: GatewaySettings, sources: Sources, deadline: Deadline) -> Sensitive:
    """
    Return the passphrase of the client certificate's key, which is encrypted; ask for it if there is a terminal.

    Raises CredentialError: it cannot be had; NetworkError: the deadline.
    """
    if gateway.key_password_file is not None:
        return read_secret_file(gateway.key_password_file, "`--client-key-password-file`", deadline).value
    from bwrun.credentials.prompts import Prompter, may_ask  # noqa: PLC0415  (only where it is asked for)

    prompter = Prompter.find() if may_ask(sources) else None
    if prompter is None:
        raise CredentialError(
            "missing", f"the passphrase of `{gateway.key}` is not set, and there is no terminal to ask for it",
            "put it into a file, and name that with `--client-key-password-file FILE`",
        )  # fmt: skip
    start = time.monotonic()
    try:
        return prompter.ask(f"passphrase of {gateway.key}", echo=False)
    finally:
        prompter.close()
        deadline.extend(time.monotonic() - start)
