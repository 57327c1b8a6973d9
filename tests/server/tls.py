"""Certificates for the server: good ones, and the ways one can be bad. Made by trustme and by the openssl command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import trustme

CertificateKind = Literal[
    "trusted", "plain", "self-signed", "expired", "not-yet-valid", "wrong-host", "no-intermediate", "full-chain"
]


@dataclass(frozen=True)
class CertificateFiles:
    """Paths of PEM files: the CA to trust, and the server's chain and private key."""

    ca: Path
    chain: Path
    key: Path


def write_certificates(directory: Path, kind: CertificateKind) -> CertificateFiles:
    """
    Make a CA and a server certificate of that kind in `directory`.

    "plain" is what people get from the openssl command without a configuration of their own: a CA without key usage,
    and a certificate without key identifiers.  "self-signed" is signed by itself and not by the CA of `ca`, which is
    written all the same.  "no-intermediate" is issued by an intermediate CA that the server does not send, as
    "full-chain" does.
    """
    files = CertificateFiles(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    if kind == "plain":
        _write_plain(directory, files)
        return files
    authority = trustme.CA()
    authority.cert_pem.write_to_path(files.ca)
    if kind == "self-signed":
        itself = trustme.CA()
        itself.cert_pem.write_to_path(files.chain)
        itself.private_key_pem.write_to_path(files.key)
        return files
    day = timedelta(days=1)
    issuer = authority.create_child_ca() if kind in ("no-intermediate", "full-chain") else authority
    leaf = issuer.issue_cert(
        *(["elsewhere.example"] if kind == "wrong-host" else ["localhost", "127.0.0.1", "vault.test"]),
        not_before=datetime.now(UTC) + day if kind == "not-yet-valid" else None,
        not_after=datetime.now(UTC) - day if kind == "expired" else None,
    )
    for blob in leaf.cert_chain_pems[: 1 if kind == "no-intermediate" else None]:
        blob.write_to_path(files.chain, append=True)
    leaf.private_key_pem.write_to_path(files.key)
    return files


def _write_plain(directory: Path, files: CertificateFiles) -> None:
    extensions = directory / "extensions"
    extensions.write_text(
        "subjectAltName = DNS:localhost, IP:127.0.0.1\nsubjectKeyIdentifier = none\nauthorityKeyIdentifier = none\n"
    )
    key, request = directory / "ca.key", directory / "request"
    issue = f"-CA {files.ca} -CAkey {key} -CAcreateserial -extfile {extensions}"
    for command in (
        f"req -x509 -new -nodes -subj /CN=x -keyout {key} -out {files.ca}",
        f"req -new -nodes -subj /CN=y -keyout {files.key} -out {request}",
        f"x509 -req -in {request} {issue} -out {files.chain}",
    ):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
