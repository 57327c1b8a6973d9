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

from bwrun.crypto.certificate import Certificate
from bwrun.crypto.primitives import read_certificate
from bwrun.network.dialing import connect
from bwrun.network.proxies import Proxy
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

PRIVATE_CA_HINT = "if this is your private CA, trust it with `--ca-file FILE`"
FULL_CHAIN_HINT = "the server does not send its intermediate certificate: configure it to send the full chain"
REPLACE_HINT = "ask whoever runs the server to replace its certificate"
RENEW_HINT = "renew the certificate on the server, or correct the clock of this machine"
CLOCK_HINT = "correct the clock of this machine if it is slow"
PORT_HINT = "check that the server speaks https on that port"
CLIENT_CERT_HINT = "the server requires a client certificate: set `--client-cert FILE`"

# Alerts that are about the client's certificate (RFC 8446, 6.2), as OpenSSL calls them; servers with TLS 1.2 send a
# `handshake failure` where it is missing.
CERTIFICATE_ALERTS = (
    "certificate required", "no certificate", "bad certificate", "unsupported certificate", "certificate revoked",
    "certificate expired", "certificate unknown", "unknown ca", "access denied",
)  # fmt: skip
VERSION_ALERTS = ("protocol version", "insufficient security")
NAME_ALERTS = ("unrecognized name", "internal error")


def untrusted(
    error: ssl.SSLCertVerificationError,
    place: tuple[str, int] | None,
    ca_files: Sequence[str],
    proxy: Proxy | None = None,
) -> TransportError:
    """
    Return the error for a certificate that was not accepted, with the hints that fit the reason.

    `place`: the host and port to look at, None if they are behind a proxy; `proxy`: the one whose certificate it is,
    None if it is the server's.
    """
    hints: tuple[str, ...] = (REPLACE_HINT,)
    chain = [] if place is None else _shown_chain(*place)
    code = error.verify_code
    if code == EXPIRED:
        hints = (_dated("it expired on", [one.ends for one in chain if one.ends < _now()]), RENEW_HINT)
    elif code == NOT_YET_VALID:
        hints = (_dated("it is valid from", [one.begins for one in chain if one.begins > _now()]), CLOCK_HINT)
    elif code in WRONG_NAME:
        hints = (_named(chain),)
    elif code in UNKNOWN_ISSUER and proxy is None:
        hints = _unknown_issuer(chain, ca_files)
    elif code in (*SELF_SIGNED, *UNKNOWN_ISSUER):
        hints = (PRIVATE_CA_HINT,)
    issuer = chain[0].issuer if chain else ""
    return TransportError(Kind.UNTRUSTED, error.verify_message, issuer=issuer, hints=hints, proxy=proxy)


def tls_failure(error: ssl.SSLError, *, has_certificate: bool, proxy: Proxy | None = None) -> TransportError:
    """
    Return the error for TLS that failed.

    `has_certificate`: whether there was a client certificate to show; `proxy`: the one where it failed, None if that
    is the server.
    """
    reason = _reason(error)
    alert = _alert(reason)
    if not alert:
        return TransportError(Kind.TLS, reason or "TLS failed", hints=(PORT_HINT,), proxy=proxy)
    hint = "ask whoever runs the server to look for the reason in its log"
    if alert in CERTIFICATE_ALERTS:
        hint = (
            "the server rejected the client certificate: check `--client-cert`" if has_certificate else CLIENT_CERT_HINT
        )
    elif alert == "handshake failure" and not has_certificate:
        hint = "the server may require a client certificate (`--client-cert FILE`), or other ciphers"
    elif alert in VERSION_ALERTS:
        hint = "the server requires a TLS version or ciphers that this OpenSSL does not offer"
    elif alert in NAME_ALERTS:
        hint = "check the host name in `--server`: the server may not know it"
    return TransportError(Kind.ALERT, alert, hints=(hint,), proxy=proxy)


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
    clock = f"the clock of this machine says {_now():%Y-%m-%d %H:%M} UTC"
    return f"{what} {times[0]:%Y-%m-%d %H:%M} UTC, and {clock}" if times else clock


def _named(chain: Sequence[Certificate]) -> str:
    names = chain[0].names if chain else ()
    more = ", …" if len(names) > MAX_NAMES else ""
    said = f"the certificate is for {', '.join(f'`{name}`' for name in names[:MAX_NAMES])}{more}: " if names else ""
    return f"{said}check the host name in `--server`"


def _unknown_issuer(chain: Sequence[Certificate], ca_files: Sequence[str]) -> tuple[str, ...]:
    """
    Tell a private CA from an intermediate certificate that the server should have sent.

    That is likely where the server sends its own certificate alone, and either a CA file was named already or the
    certificate says where its issuer's can be fetched, as those of public CAs do.
    """
    if not ca_files and not has_certificates():
        return ("this system has no CA certificates: install the package `ca-certificates`", PRIVATE_CA_HINT)
    if not chain:
        return (PRIVATE_CA_HINT, f"otherwise, {FULL_CHAIN_HINT}")
    leaf = chain[0]
    if len(chain) > 1 or not (ca_files or leaf.names_its_issuer):
        return (PRIVATE_CA_HINT,)
    return (f"if `{leaf.issuer}` is an intermediate CA, {FULL_CHAIN_HINT}", PRIVATE_CA_HINT)


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
