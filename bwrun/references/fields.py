"""
Tables of the fields of items: their names in the server's JSON and in references.

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
# The encrypted texts in the JSON object that only items of one type have (MEMBERS).
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


# The part before the dot of a field's name in a reference. After the dot, the fields of an SSH key have names of their
# own, and other fields have those of the JSON.
PREFIXES = {
    "card": CARD,
    "identity": IDENTITY,
    "ssh": SSH_KEY,
    "bankAccount": BANK_ACCOUNT,
    "driversLicense": DRIVERS_LICENSE,
    "passport": PASSPORT,
}
SSH_NAMES = {"privateKey": "private_key", "publicKey": "public_key", "keyFingerprint": "fingerprint"}

# The name of a built-in field in a reference → the type of items that have it, and its name in the JSON.
TYPED = {name: (LOGIN, name) for name in TEXTS[LOGIN]} | {
    f"{prefix}.{SSH_NAMES.get(name, name)}": (kind, name) for prefix, kind in PREFIXES.items() for name in TEXTS[kind]
}
# The parts that each passkey has.
PASSKEY_NEEDS = ("credentialId", "keyType", "keyAlgorithm", "keyCurve", "keyValue", "rpId", "counter", "discoverable")
OF_ALL = ("notes", "name", "id", "json")
BUILT_IN = (*TYPED, "uri", *OF_ALL)
DEFAULTS = {LOGIN: "password", SECURE_NOTE: "notes", SSH_KEY: "ssh.private_key"}

TEXT, HIDDEN, BOOLEAN, LINKED = range(4)  # types of custom fields
LINKED_PASSWORD = 101  # the linkedId of a login's password
FULL_NAME = 418  # the linkedId of an identity's name, which consists of four fields
# The linkedId of a custom field of type 3 → the built-in field that it shows.
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
    """Return the number, from 1, of the address that `uri` or `uri.N` means; None for any other name."""
    if name == "uri":
        return 1
    found = _URI.fullmatch(name)
    return None if found is None else int(found[1])


def usual_prefix(prefix: str) -> str:
    """Return the documented spelling of the part before the dot: `bankAccount` for `bank_account`."""
    return next((one for one in PREFIXES if _snake_case(one) == prefix), prefix)


def usual_spelling(name: str) -> str:
    """
    Return the documented spelling of a built-in field's name; any other name is returned as it is.

    Snake case, camel case and the name of the JSON are accepted: `card.exp_month`, `ssh.privateKey`.
    """
    before, dot, after = name.partition(".")
    prefix = usual_prefix(before)
    for wire_name in TEXTS[PREFIXES[prefix]] if dot and prefix in PREFIXES else ():
        documented = SSH_NAMES.get(wire_name, wire_name)
        if after in (documented, wire_name, _snake_case(wire_name)):
            return f"{prefix}.{documented}"
    return name


def _snake_case(name: str) -> str:
    return re.sub("(?<=[a-z])(?=[A-Z0-9])", "_", name).lower()


def is_built_in(name: str) -> bool:
    """Return whether `name` is the name of a built-in field."""
    return name in BUILT_IN or uri_number(name) is not None


def is_reserved(name: str) -> bool:
    """Return whether a custom field of this name can only be referred to as `field/NAME`."""
    before, dot, _ = name.partition(".")
    prefix = usual_prefix(before) if dot else before
    return is_built_in(name) or name in {"field", "attachment"} or prefix in {*PREFIXES, "uri"}
