"""
The settings for servers behind a gateway that requires a client certificate (mutual TLS) or headers.

An example of such a gateway is Cloudflare Access.  Only the servers that the user configured get the certificate and
the headers: neither the host of an attachment gets them, nor one that an answer redirects to.
"""

from __future__ import annotations

import os
import stat

from bwrun.base.console import WarningMessage
from bwrun.base.errors import ConfigError, UsageError
from bwrun.base.structs import Struct
from bwrun.settings.sources import SettingValue
from bwrun.settings.warning_messages import readable_by_others

TYPE_CHECKING = False  # `typing` costs 10 ms at the start of each process
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_PEM_FILE = 1024 * 1024  # bytes
PEM_HINT = "it must be in PEM form; convert a .p12 or .pfx file with `openssl pkcs12 -in FILE -out client.pem`"

KEY_HINT = "if the key is in a file of its own, name it with `--client-key FILE`"


class GatewaySettings(Struct):
    """Where the certificate and the headers are. The paths are absolute, and nothing here is secret."""

    urls: tuple[str, ...]  # of the servers that get the certificate and the headers
    certificate: str | None
    key: str | None  # the file of its private key, which may be the certificate's own
    key_is_encrypted: bool
    key_password_file: str | None
    header_file: str | None
    warnings: tuple[WarningMessage, ...]

    def for_servers(self, *urls: str | None) -> GatewaySettings:
        """Return the same for a run that asks other servers."""
        return self.replaced(urls=tuple(filter(None, urls)))


def check_trust(given: Mapping[str, SettingValue], addresses: Iterable[SettingValue | None]) -> None:
    """
    Refuse to send a certificate or headers that are set for all runs to a server that a found `.env` names.

    An option is given for this one run, so it counts for whatever server that has.

    Raises ConfigError.
    """
    address = next((one for one in addresses if one is not None and one.file is not None and one.file.is_default), None)
    standing = next((found for found in given.values() if not found.place.startswith("--")), None)
    if address is None or standing is None or address.file is None:
        return
    raise ConfigError(
        "untrusted-server",
        f"{address.called} names a server, and {standing.called} would send what it holds to that server",
        f"name the file to trust it: `--env-file {address.file.path}`",
        f"or if {standing.called} is not for this server, take it out of this run",
    )


def read_gateway_settings(given: Mapping[str, SettingValue], urls: tuple[str, ...]) -> GatewaySettings:
    """
    Return what the settings say, of which at least one is `given`, by the options' names; the files are looked at.

    Raises ConfigError: a file cannot be read or holds no certificate or key; UsageError: a setting lacks the one that
    it belongs to.
    """
    for name, needed in (("client-key", "client-cert"), ("client-key-password-file", "client-cert")):
        if name in given and needed not in given:
            raise UsageError("conflict", f"`--{name}` is set without `--{needed}`", "set both")
    paths = {name: os.path.abspath(found.value) for name, found in given.items()}
    certificate = key = None
    encrypted, warnings = False, []
    if "client-cert" in given:
        certificate = paths["client-cert"]
        data, mode = _read_pem("client-cert", certificate, given["client-cert"].place)
        if b"-----BEGIN CERTIFICATE-----" not in data:
            raise _no_pem("client-cert", given["client-cert"].place, certificate, "certificate")
        key, place = certificate, given["client-cert"].place
        if "client-key" in given:
            key, place = paths["client-key"], given["client-key"].place
            data, mode = _read_pem("client-key", key, place)
        if b"PRIVATE KEY-----" not in data:
            raise _no_pem("client-key", place, key, "private key", *([] if "client-key" in given else [KEY_HINT]))
        encrypted = b"ENCRYPTED" in data
        warnings += _mode_warnings(key, mode)
    if "header-file" in given:
        warnings += _mode_warnings(paths["header-file"], _mode_of_header_file(given["header-file"]))
    return GatewaySettings(
        urls, certificate, key, encrypted, paths.get("client-key-password-file"), paths.get("header-file"),
        tuple(warnings),
    )  # fmt: skip


def _no_pem(reason: str, place: str, path: str, what: str, *hints: str) -> ConfigError:
    return ConfigError(reason, f"`{path}` (from {place}) contains no {what}", *hints, PEM_HINT)


def _read_pem(setting: str, path: str, place: str) -> tuple[bytes, int]:
    """Return what is in the file of a setting, and its mode. It is read more than once, so a pipe will not do."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(setting, f"`{path}` (from {place}) is not a regular file")
        with open(path, "rb") as file:
            return file.read(MAX_PEM_FILE), mode
    except (OSError, ValueError) as error:
        raise _unreadable(setting, path, place, error) from None


def _mode_of_header_file(found: SettingValue) -> int:
    try:
        return os.stat(found.value).st_mode
    except (OSError, ValueError) as error:
        if "/" not in found.value:  # it may be a header itself, put in the place of the file
            raise ConfigError("header-file", f"cannot read the file that {found.place} names: {_why(error)}") from None
        raise _unreadable("header-file", found.value, found.place, error) from None


def _unreadable(reason: str, path: str, place: str, error: Exception) -> ConfigError:
    return ConfigError(reason, f"cannot read `{path}` (from {place}): {_why(error)}")


def _why(error: Exception) -> str:
    return os.strerror(error.errno or 0) if isinstance(error, OSError) else "the name contains a NUL byte"


def _mode_warnings(path: str, mode: int) -> list[WarningMessage]:
    return readable_by_others(path, stat.S_IMODE(mode)) if stat.S_ISREG(mode) else []
