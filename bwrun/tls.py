"""Which certificates are trusted, and who issued one that is not."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Sequence

from bwrun.crypto.primitives import certificate_issuer
from bwrun.errors import ConfigError
from bwrun.servers import CA_HINT

PEEK_TIMEOUT = 3.0  # seconds


def make_context(ca_files: Sequence[str]) -> ssl.SSLContext:
    """
    Return a context that trusts the system's certificates and those in `ca_files`.

    Raises ConfigError: a file holds no certificate.
    """
    context = ssl.create_default_context()
    for path in ca_files:
        if path == os.environ.get("SSL_CERT_FILE"):
            continue  # OpenSSL has read it as the default
        try:
            context.load_verify_locations(cafile=path)
        except (OSError, ssl.SSLError):
            raise ConfigError("ca-file", f"`{path}` holds no certificate that can be read", CA_HINT) from None
    return context


def issuer_of(host: str, port: int) -> str:
    """
    Return the name of who issued the certificate that `host` shows, empty if that cannot be seen.

    The handshake that asks for it verifies nothing, and nothing is sent over it.
    """
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
