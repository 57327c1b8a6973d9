"""`--ssh-key`: the private keys that the run's ssh-agent is to hold."""

from __future__ import annotations

from collections.abc import Mapping

from bwrun.base.errors import BwrunError, FailedReferenceError
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.crypto.ssh_key import to_openssh
from bwrun.references.grammar import Reference, SecretSource


class SshKey(Struct):
    """A private key in OpenSSH's form; `label` is the option that named it, for messages."""

    label: str
    private_key: Sensitive


def resolve_ssh_keys(
    references: Mapping[str, Reference], source: SecretSource, failures: list[FailedReferenceError]
) -> tuple[SshKey, ...]:
    """Return the keys that `references` name, by label; add what fails to `failures`."""
    keys = []
    for label, reference in references.items():
        try:
            keys.append(SshKey(label, Sensitive(to_openssh(source.value(reference).reveal()))))
        except BwrunError as error:
            failures.append(FailedReferenceError(label, error))
    return tuple(keys)
