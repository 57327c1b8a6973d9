"""Certificates for the server, made by trustme: a good one and the ways one can be bad."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import trustme

CertificateKind = Literal["trusted", "self-signed", "expired", "wrong-host"]


@dataclass(frozen=True)
class CertificateFiles:
    """Paths of PEM files: the CA to trust, and the server's chain and private key."""

    ca: Path
    chain: Path
    key: Path


def write_certificates(directory: Path, kind: CertificateKind) -> CertificateFiles:
    """Make a CA and a server certificate of that kind in `directory`.

    "self-signed" is signed by itself and not by the CA of `ca`, which is written all the same.
    """
    files = CertificateFiles(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(files.ca)
    if kind == "self-signed":
        itself = trustme.CA()
        itself.cert_pem.write_to_path(files.chain)
        itself.private_key_pem.write_to_path(files.key)
        return files
    names = ["elsewhere.example"] if kind == "wrong-host" else ["localhost", "127.0.0.1"]
    yesterday = datetime.now(UTC) - timedelta(days=1)
    leaf = authority.issue_cert(*names, not_after=yesterday if kind == "expired" else None)
    for blob in leaf.cert_chain_pems:
        blob.write_to_path(files.chain, append=True)
    leaf.private_key_pem.write_to_path(files.key)
    return files
