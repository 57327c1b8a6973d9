"""
Private SSH keys: from the forms that a vault may hold to the one that every OpenSSH reads.

Source of the form: openssh/openssh-portable:PROTOCOL.key.
"""

from __future__ import annotations

import base64

from bwrun.crypto import primitives
from bwrun.crypto.ssh_errors import encrypted_ssh_key, no_ssh_key

BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"
END = b"-----END OPENSSH PRIVATE KEY-----"
MAGIC = b"openssh-key-v1\0"
NO_CIPHER = b"\0\0\0\4none"  # the name of the cipher, after its length in 4 bytes


def to_openssh(text: bytes) -> bytes:
    """
    Return a private key in OpenSSH's own form, with the line ends that ssh-add wants.

    A key that is in this form already keeps its contents, so its comment too. Keys in PEM (PKCS#8, PKCS#1, SEC 1)
    are converted: no ssh-add reads Ed25519 in PKCS#8.

    Raises CryptoError: it is encrypted with a passphrase, or no private key that SSH can use.
    """
    if BEGIN not in text:
        return primitives.openssh_private_key(text)
    body, _, _ = text.partition(BEGIN)[2].partition(END)
    try:
        contents = base64.b64decode(b"".join(body.split()), validate=True)
    except ValueError:
        contents = b""
    if not contents.startswith(MAGIC):
        raise no_ssh_key()
    if not contents.startswith(MAGIC + NO_CIPHER):
        raise encrypted_ssh_key()
    return b"%s\n%s%s\n" % (BEGIN, base64.encodebytes(contents), END)
