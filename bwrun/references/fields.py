"""
The names of what items hold, on the wire and in references: tables, nothing else.

Facts: bitwarden/server:src/Api/Vault/Models/Response/CipherResponseModel.cs (protocol notes 3), and the official CLI's
libs/common/src/vault/enums/{cipher-type,linked-id-type}.enum.ts.
"""

from __future__ import annotations

import re

LOGIN, SECURE_NOTE, CARD, IDENTITY, SSH_KEY, BANK_ACCOUNT, DRIVERS_LICENSE, PASSPORT = range(1, 9)

TYPE_NAMES = {
    LOGIN: "login",
    SECURE_NOTE: "secure note",
    CARD: "card",
    IDENTITY: "identity",
    SSH_KEY: "SSH key",
    BANK_ACCOUNT: "bank account",
    DRIVERS_LICENSE: "driver's license",
    PASSPORT: "passport",
}
MEMBERS = {
    LOGIN: "login",
    SECURE_NOTE: "secureNote",
    CARD: "card",
    IDENTITY: "identity",
    SSH_KEY: "sshKey",
    BANK_ACCOUNT: "bankAccount",
    DRIVERS_LICENSE: "driversLicense",
    PASSPORT: "passport",
}
# The encrypted texts of each type's member.
TEXTS = {
    LOGIN: ("username", "password", "totp"),
    SECURE_NOTE: (),
    CARD: ("cardholderName", "brand", "number", "expMonth", "expYear", "code"),
    IDENTITY: (
        "title", "firstName", "middleName", "lastName", "address1", "address2", "address3", "city", "state",
        "postalCode", "country", "company", "email", "phone", "ssn", "username", "passportNumber", "licenseNumber",
    ),
    SSH_KEY: ("privateKey", "publicKey", "keyFingerprint"),
    BANK_ACCOUNT: (
        "bankName", "nameOnAccount", "accountType", "accountNumber", "routingNumber", "branchNumber", "pin",
        "swiftCode", "iban", "bankContactPhone",
    ),
    DRIVERS_LICENSE: (
        "firstName", "middleName", "lastName", "dateOfBirth", "licenseNumber", "issuingCountry", "issuingState",
        "issueDate", "expirationDate", "issuingAuthority", "licenseClass",
    ),
    PASSPORT: (
        "surname", "givenName", "dateOfBirth", "sex", "birthPlace", "nationality", "issuingCountry", "passportNumber",
        "passportType", "nationalIdentificationNumber", "issuingAuthority", "issueDate", "expirationDate",
    ),
}  # fmt: skip

# What stands before the dot in a reference.  SSH keys have names of their own; the others those of the wire.
PREFIXES = {
    "card": CARD,
    "identity": IDENTITY,
    "ssh": SSH_KEY,
    "bankAccount": BANK_ACCOUNT,
    "driversLicense": DRIVERS_LICENSE,
    "passport": PASSPORT,
}
SSH_NAMES = {"privateKey": "private_key", "publicKey": "public_key", "keyFingerprint": "fingerprint"}

# A built-in field's name in a reference → the type of item that has it, and its name on the wire.
TYPED = {name: (LOGIN, name) for name in TEXTS[LOGIN]} | {
    f"{prefix}.{SSH_NAMES.get(name, name)}": (kind, name) for prefix, kind in PREFIXES.items() for name in TEXTS[kind]
}
# What each passkey has; a record without one of these is none.
PASSKEY_NEEDS = ("credentialId", "keyType", "keyAlgorithm", "keyCurve", "keyValue", "rpId", "counter", "discoverable")
OF_ALL = ("notes", "name", "id", "json")
BUILT_IN = (*TYPED, "uri", *OF_ALL)
DEFAULTS = {LOGIN: "password", SECURE_NOTE: "notes", SSH_KEY: "ssh.private_key"}

TEXT, HIDDEN, BOOLEAN, LINKED = range(4)  # types of custom fields
LINKED_PASSWORD = 101  # the linkedId of a login's password
FULL_NAME = 418  # of an identity, made of four others
# linkedId of a custom field of type 3 → the built-in field it shows.
LINKS = {
    100: "username", 101: "password",
    300: "card.cardholderName", 301: "card.expMonth", 302: "card.expYear", 303: "card.code", 304: "card.brand",
    305: "card.number",
    400: "identity.title", 401: "identity.middleName", 402: "identity.address1", 403: "identity.address2",
    404: "identity.address3", 405: "identity.city", 406: "identity.state", 407: "identity.postalCode",
    408: "identity.country", 409: "identity.company", 410: "identity.email", 411: "identity.phone",
    412: "identity.ssn", 413: "identity.username", 414: "identity.passportNumber", 415: "identity.licenseNumber",
    416: "identity.firstName", 417: "identity.lastName",
}  # fmt: skip

_URI = re.compile(r"uri\.([1-9][0-9]{0,3})")


def uri_number(name: str) -> int | None:
    """Return which address `uri` or `uri.N` means, from 1; None: `name` is neither."""
    if name == "uri":
        return 1
    found = _URI.fullmatch(name)
    return None if found is None else int(found[1])


def is_built_in(name: str) -> bool:
    """Return whether `name` is a built-in field's."""
    return name in BUILT_IN or uri_number(name) is not None


def is_reserved(name: str) -> bool:
    """Return whether a custom field of this name is out of reach but by `field/NAME`."""
    return is_built_in(name) or name in {"field", "attachment"} or name.partition(".")[0] in {*PREFIXES, "uri"}
