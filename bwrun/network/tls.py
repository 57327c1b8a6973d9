"""Which certificates are trusted, and who issued one that is not."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Sequence

from bwrun.base.errors import ConfigError
from bwrun.settings.servers import CA_HINT

PEEK_TIMEOUT = 3.0  # seconds
# X509_V_ERR_… of OpenSSL: what a certificate that is missing here looks like (x509_vfy.h).
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)


def make_context(ca_files: Sequence[str]) -> ssl.SSLContext:
    """
    Return a context that trusts the system's certificates and those in `ca_files`.

    Where the system keeps them in a directory that OpenSSL can look into, as most do, they are read when they are
    needed, which is a few of them: reading the bundle beside it takes 30 ms.  Should one be missing there, who gets
    an error of `is_unknown_issuer()` asks for `full_context()`.

    Raises ConfigError: a file holds no certificate.
    """
    directory = _hashed_directory()
    return _with(ssl.create_default_context(capath=directory) if directory else ssl.create_default_context(), ca_files)


def full_context(ca_files: Sequence[str]) -> ssl.SSLContext:
    """Return the same with all that the system has in each place. Raises ConfigError, as `make_context()`."""
    return _with(ssl.create_default_context(), ca_files)


def is_unknown_issuer(error: ssl.SSLCertVerificationError) -> bool:
    """Return whether the certificate may be good and only its issuer not known, and there is more to look at."""
    return error.verify_code in _UNKNOWN_ISSUER and _hashed_directory() is not None


def _hashed_directory() -> str | None:
    """Return the system's directory of certificates if it has the names that OpenSSL looks for (openssl-rehash(1))."""
    paths = ssl.get_default_verify_paths()
    if any(os.environ.get(name) for name in (paths.openssl_cafile_env, paths.openssl_capath_env)):
        return None  # the user has named others
    try:
        with os.scandir(paths.openssl_capath) as entries:
            found = any(len(entry.name) == 10 and entry.name.endswith(".0") for entry in entries)
    except OSError:
        return None
    return paths.openssl_capath if found else None


def _with(context: ssl.SSLContext, ca_files: Sequence[str]) -> ssl.SSLContext:
    for path in ca_files:
        if path == os.environ.get("SSL_CERT_FILE"):
            continue  # OpenSSL has read it as the default
        try:
            context.load_verify_locations(cafile=path)
        except (OSError, ssl.SSLError):
            raise ConfigError("ca-file", f"cannot read a certificate from the CA file `{path}`", CA_HINT) from None
    return context


def issuer_of(host: str, port: int) -> str:
    """
    Return the name of who issued the certificate that `host` shows, empty if that cannot be seen.

    The handshake that asks for it verifies nothing, and nothing is sent over it.
    """
    from bwrun.crypto.primitives import certificate_issuer  # noqa: PLC0415  (for an error's words)

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=PEEK_TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            der = secured.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return ""
    return certificate_issuer(der) if der else ""
