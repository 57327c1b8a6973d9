"""
What it means when TLS fails: a certificate that is not trusted, an alert of the server, a port that speaks no TLS.

The words of an error may need a second connection, over which nothing is sent: this module is imported only when a
connection has failed.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime

from bwrun.crypto.primitives import Certificate, read_certificate
from bwrun.network.dialing import connect
from bwrun.network.tls import has_certificates
from bwrun.network.transport import Kind, TransportError

PEEK_TIMEOUT = 3.0  # seconds
MAX_NAMES = 5  # of a certificate that are shown

# X509_V_ERR_… of OpenSSL (x509_vfy.h)
NOT_YET_VALID = 9
EXPIRED = 10
SELF_SIGNED = (18, 19)
UNKNOWN_ISSUER = (2, 20, 21)
WRONG_NAME = (62, 64)  # a host's name, an IP address

PRIVATE_CA_HINT = "for a private CA: --ca-file FILE, or SSL_CERT_FILE"
INTERMEDIATE_HINT = (
    "or the server does not send its intermediate certificate: whoever runs it has to install the full chain"
)
REPLACE_HINT = "whoever runs the server has to replace its certificate"
PORT_HINT = "is it https that is spoken at that port?"
CLIENT_CERT_HINT = "the server wants a client certificate: --client-cert FILE"

# Alerts that are about the client's certificate (RFC 8446, 6.2), as OpenSSL calls them; servers with TLS 1.2 send a
# `handshake failure` where it is missing.
CERTIFICATE_ALERTS = (
    "certificate required", "no certificate", "bad certificate", "unsupported certificate", "certificate revoked",
    "certificate expired", "certificate unknown", "unknown ca", "access denied",
)  # fmt: skip
VERSION_ALERTS = ("protocol version", "insufficient security")
NAME_ALERTS = ("unrecognized name", "internal error")


def untrusted(
    error: ssl.SSLCertVerificationError, place: tuple[str, int] | None, ca_files: Sequence[str]
) -> TransportError:
    """
    Return the error for a certificate that was not accepted, with the hints that fit the reason.

    `place`: the host and port to look at, None where they cannot be reached directly.
    """
    hints: tuple[str, ...] = (REPLACE_HINT,)
    chain = [] if place is None else _shown_chain(*place)
    code = error.verify_code
    if code == EXPIRED:
        hints = (f"{_dated('ended', [one.ends for one in chain if one.ends < _now()])}: renew it, or set the clock",)
    elif code == NOT_YET_VALID:
        hints = (f"{_dated('begins', [one.begins for one in chain if one.begins > _now()])}: is the clock right?",)
    elif code in WRONG_NAME:
        hints = (_named(chain),)
    elif code in UNKNOWN_ISSUER:
        hints = _unknown_issuer(chain, ca_files)
    elif code in SELF_SIGNED:
        hints = (PRIVATE_CA_HINT,)
    return TransportError(Kind.UNTRUSTED, error.verify_message, chain[0].issuer if chain else "", hints=hints)


def tls_failure(error: ssl.SSLError, *, has_certificate: bool) -> TransportError:
    """Return the error for TLS that failed; `has_certificate`: whether a client certificate was there to be shown."""
    reason = _reason(error)
    alert = _alert(reason)
    if not alert:
        return TransportError(Kind.TLS, reason or "TLS failed", hints=(PORT_HINT,))
    hint = "whoever runs the server can look up the reason in its log"
    if alert in CERTIFICATE_ALERTS:
        hint = "the server does not accept the client certificate" if has_certificate else CLIENT_CERT_HINT
    elif alert == "handshake failure" and not has_certificate:
        hint = (
            "the server may want a client certificate (--client-cert FILE), or other ciphers than OpenSSL offers here"
        )
    elif alert in VERSION_ALERTS:
        hint = "the server wants another version of TLS, or other ciphers, than OpenSSL offers here"
    elif alert in NAME_ALERTS:
        hint = "does the server know itself by the name in this address? Check --server"
    return TransportError(Kind.ALERT, alert, hints=(hint,))


def is_alert(error: ssl.SSLError) -> bool:
    """Return whether this is a TLS alert of the server, after which another try ends the same way."""
    return bool(_alert(_reason(error)))


def speaks_tls(host: str, port: int) -> bool:
    """Return whether TLS is spoken at a port where plain HTTP got no usable answer."""
    try:
        _peek(host, port).close()
    except ssl.SSLError as error:
        return is_alert(error)
    except (OSError, ValueError):
        return False
    return True


def _reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's name of an error (sslerr.h), empty if Python does not know it."""
    return getattr(error, "reason", None) or ""


def _alert(reason: str) -> str:
    """Return the name of a TLS alert from OpenSSL's name of an error, empty if it is another error."""
    before, mark, name = reason.partition("_ALERT_")
    if not mark:
        before, mark, name = reason.partition("TLSV1_")
        if before:
            return ""
    return name.replace("_", " ").lower()


def _now() -> datetime:
    return datetime.now(UTC)


def _dated(what: str, times: Sequence[datetime]) -> str:
    clock = f"this machine's clock says {_now():%Y-%m-%d %H:%M} UTC"
    return f"it {what} on {times[0]:%Y-%m-%d %H:%M} UTC, and {clock}" if times else clock


def _named(chain: Sequence[Certificate]) -> str:
    names = chain[0].names if chain else ()
    more = ", …" if len(names) > MAX_NAMES else ""
    said = f"it is for {', '.join(f'`{name}`' for name in names[:MAX_NAMES])}{more}: " if names else ""
    return f"{said}is that the server's address? Check --server"


def _unknown_issuer(chain: Sequence[Certificate], ca_files: Sequence[str]) -> tuple[str, ...]:
    """
    Tell a private CA from an intermediate certificate that the server should have sent.

    That is likely where the server sends its own certificate alone, and either a CA file was named already or the
    certificate says where its issuer's can be fetched, as those of public CAs do.
    """
    if not ca_files and not has_certificates():
        return ("this system has no CA certificates: install its package `ca-certificates`", PRIVATE_CA_HINT)
    if not chain:
        return (PRIVATE_CA_HINT, INTERMEDIATE_HINT)
    leaf = chain[0]
    if len(chain) > 1 or not (ca_files or leaf.names_its_issuer):
        return (PRIVATE_CA_HINT,)
    why = f"the server does not send its intermediate certificate, if `{leaf.issuer}` is one"
    return (f"{why}: whoever runs it has to install the full chain", PRIVATE_CA_HINT)


def _shown_chain(host: str, port: int) -> list[Certificate]:
    """Return the certificates that a server shows, its own first; as many as can be read."""
    try:
        with _peek(host, port) as secured:
            if hasattr(secured, "get_unverified_chain"):  # Python 3.13
                ders = secured.get_unverified_chain()
            else:
                inner = secured._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001
                ders = [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in inner]
    except (OSError, ValueError, AttributeError):
        return []
    read = [read_certificate(der) for der in ders]
    return [one for one in read if one is not None]


def _peek(host: str, port: int) -> ssl.SSLSocket:
    """
    Do a handshake in which nothing is verified, and after which nothing is sent.

    Raises OSError, ValueError.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.socket(fileno=connect(host, port, PEEK_TIMEOUT).detach()) as plain:
        plain.settimeout(PEEK_TIMEOUT)
        return context.wrap_socket(plain, server_hostname=host)
