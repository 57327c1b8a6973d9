"""What self-hosters put in front of a server: it speaks TLS, and wants a client certificate."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.support.proxies import RunningProxy, join_tls, listening

CN = NameOID.COMMON_NAME


@dataclass
class Front:
    """A running front: its URL, the file of its CA, and the names in the client certificates that it was shown."""

    url: str
    ca_file: Path
    shown: list[str] = field(default_factory=list)


@contextmanager
def front(
    directory: Path, port: int, clients: trustme.CA, *, newest: bool = True, required: bool = True
) -> Iterator[Front]:
    """
    Pass connections on to `port` of this machine, after TLS with a client certificate of `clients`.

    `newest`: with TLS 1.3; `required`: without a certificate there is no connection.
    """
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    clients.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    if not newest:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    shown: list[str] = []

    def serve(connection: socket.socket, _running: RunningProxy) -> None:
        client = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        try:
            client.do_handshake()
        except OSError:
            close_after_alert(client)
            raise
        with client:
            der = client.getpeercert(binary_form=True)
            names = [] if der is None else x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(CN)
            shown.append("".join(str(name.value) for name in names))
            join_tls(client, "127.0.0.1", port)

    with listening(serve) as running:
        front_port = running.host.rpartition(":")[2]
        ca_file = directory / f"front-{front_port}.pem"
        authority.cert_pem.write_to_path(ca_file)
        yield Front(f"https://localhost:{front_port}", ca_file, shown)


def close_after_alert(client: ssl.SSLSocket) -> None:
    """Close a connection whose handshake failed. A close with unread data would reset it, and lose the alert."""
    with socket.socket(fileno=client.detach()) as plain, suppress(OSError):
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(65536):
            pass


def write_client(directory: Path, authority: trustme.CA, name: str) -> tuple[Path, Path]:
    """Write a client certificate and its private key to two files that are readable by nobody else; return them."""
    made = authority.issue_cert(f"{name}@example.com", common_name=name)
    files = directory / f"{name}.pem", directory / f"{name}.key"
    for file, blob in zip(files, (made.cert_chain_pems[0], made.private_key_pem), strict=True):
        file.touch(mode=0o600)
        blob.write_to_path(file)
    return files
