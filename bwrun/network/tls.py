"""Which certificates are trusted."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence

from bwrun.base.errors import ConfigError
from bwrun.settings.servers import CA_HINT

# X509_V_ERR_… of OpenSSL for a certificate whose issuer is not among the trusted ones (x509_vfy.h)
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)


def make_context(ca_files: Sequence[str]) -> ssl.SSLContext:
    """
    Return a context that trusts the system's certificates and those in `ca_files`.

    Most systems keep one certificate per file in a directory, and OpenSSL reads there only those that it needs; to read
    the bundle of all of them takes 30 ms.  The directory may lack some: after an error for which `is_unknown_issuer()`
    is true, the caller tries again with `full_context()`.

    Raises ConfigError: a file holds no certificate.
    """
    directory = _hashed_directory()
    return _with(ssl.create_default_context(capath=directory) if directory else ssl.create_default_context(), ca_files)


def full_context(ca_files: Sequence[str]) -> ssl.SSLContext:
    """Return the same with all certificates of the system. Raises ConfigError, as `make_context()`."""
    return _with(ssl.create_default_context(), ca_files)


def is_unknown_issuer(error: ssl.SSLCertVerificationError) -> bool:
    """Return whether `full_context()` may accept a certificate that `make_context()` did not."""
    return error.verify_code in _UNKNOWN_ISSUER and _hashed_directory() is not None


def trusted_places(ca_files: Sequence[str]) -> tuple[str, ...]:
    """Return the paths of the files and directories with trusted certificates."""
    paths = ssl.get_default_verify_paths()
    directory = _hashed_directory()
    default = directory or paths.cafile or paths.capath
    return tuple(dict.fromkeys([*([default] if default else []), *ca_files]))


def has_certificates() -> bool:
    """Return whether the system has any CA certificate at all; slim container images have none."""
    return _hashed_directory() is not None or bool(ssl.create_default_context().cert_store_stats()["x509"])


def _hashed_directory() -> str | None:
    """Return the system's directory of certificates if its files have the names of openssl-rehash(1)."""
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
    # Python 3.13 sets this flag, and refuses the private CAs of many people: those without a key usage, and
    # certificates without a key identifier. curl, Node and older Pythons accept them. The chain of signatures, the
    # dates, the name and basicConstraints are verified without the flag too.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    for path in ca_files:
        if path == os.environ.get("SSL_CERT_FILE"):
            continue  # OpenSSL has read it as the default
        try:
            context.load_verify_locations(cafile=path)
        except (OSError, ssl.SSLError):
            raise ConfigError("ca-file", f"cannot read a certificate from the CA file `{path}`", CA_HINT) from None
    return context
