"""The grammar of references, and that one failure fails them all."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bwrun.base.errors import (
    BwrunError,
    IntegrityError,
    InvalidReferenceError,
    SecretNotFoundError,
    UnresolvedReferencesError,
)
from bwrun.base.sensitive import Sensitive
from bwrun.references import fields
from bwrun.references.grammar import Field, Reference, is_reference, near_names, parse, resolve

ID = "01234567-89ab-cdef-0123-456789abcdef"
BUILT_IN = [*fields.BUILT_IN, "uri.1", "uri.9999"]

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
some_names = st.none() | names
wanted = (
    st.sampled_from(BUILT_IN).map(lambda name: Field("built-in", name))
    | names.map(lambda name: Field("attachment", name))
    | (names | st.sampled_from([*BUILT_IN, "field", "attachment", "card.", "uri.0", "ssh"]))
    .map(lambda name: Field("custom", name))
)  # fmt: skip
newlines = st.sampled_from([None, "lf"])
references = st.builds(Reference, names, st.none() | wanted, some_names, some_names, some_names, newlines)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("bw://prod-db", Reference("prod-db")),
        ("bw://prod db/password", Reference("prod db", Field("built-in", "password"))),
        (f"bw://{ID}/uri.2", Reference(ID, Field("built-in", "uri.2"))),
        ("bw://a%2Fb/c%2fd", Reference("a/b", Field("custom", "c/d"))),
        ("bw://x/field/password", Reference("x", Field("custom", "password"))),
        ("bw://x/field/field", Reference("x", Field("custom", "field"))),
        ("bw://x/attachment/id_rsa.pub", Reference("x", Field("attachment", "id_rsa.pub"))),
        ("bw://x/ssh.private_key", Reference("x", Field("built-in", "ssh.private_key"))),
        ("bw://x/Password", Reference("x", Field("custom", "Password"))),
        ("bw://Büro+1/json", Reference("Büro+1", Field("built-in", "json"))),
        ("bw://x?folder=a=b&organization=%26", Reference("x", None, "a=b", None, "&")),
        ("bw://x/notes?newline=lf", Reference("x", Field("built-in", "notes"), newline="lf")),
        ("bw://x?newline=lf&folder=a", Reference("x", None, "a", newline="lf")),
        ("bw://x/uri?collection=c", Reference("x", Field("built-in", "uri"), None, "c")),
        ("bw://x?folder=work/servers", Reference("x", None, "work/servers")),
        ("bw://x?folder=work%2Fservers&collection=a/b c", Reference("x", None, "work/servers", "a/b c")),
        ("bw://x/exp_month", Reference("x", Field("custom", "exp_month"))),
        ("bw://x/bank_account", Reference("x", Field("custom", "bank_account"))),
    ],
)
def test_parses(text: str, reference: Reference) -> None:
    """Each form of a reference is read as documented."""
    assert parse(text) == reference


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("BW://x", "a reference begins with `bw://`, in lower case", "write it as"),
        ("bw://", "the item in the reference is empty", "write it as"),
        ("bw:///password", "the item in the reference is empty", "write it as"),
        ("bw://x/", "the field in the reference is empty", "write it as"),
        ("bw://x//y", "the field in the reference contains a `/`", "write a `/` in a name as `%2F`"),
        ("bw://x/a/b", "the field in the reference contains a `/`", "write a `/` in a name as `%2F`"),
        ("bw://x/field", "`field` is not followed by a name", "write `field/NAME`"),
        ("bw://x/attachment/", "the file in the reference is empty", "write it as"),
        ("bw://x/uri.0", "`uri.0` is not a built-in field", "use one of `uri`"),
        ("bw://x/card.pin", "`card.pin` is not a built-in field", "use one of `card.cardholderName`, `card.brand`"),
        ("bw://x?", "a parameter of the reference is empty", "write `NAME=VALUE` after each"),
        ("bw://x?folder=a&", "a parameter of the reference is empty", "write `NAME=VALUE` after each"),
        ("bw://x?folder=", "`folder` in the reference is empty", "write it as"),
        ("bw://x?folders=a", "unknown parameter `folders`", "did you mean `folder`?"),
        ("bw://x?vault=a", "unknown parameter `vault`", "use one of `folder`, `collection`, `organization`"),
        *(
            (f"bw://x?newline{value}", "`newline` in the reference can only be `lf`", "write `newline=lf`")
            for value in ("", "=", "=LF", "=crlf", "=l%66")
        ),
        ("bw://x?newline=lf&newline=lf", "the parameter `newline` is given twice", "remove one of them"),
        ("bw://x?newlines=lf", "unknown parameter `newlines`", "did you mean `newline`?"),
        ("bw://x?folder=a&folder=b", "the parameter `folder` is given twice", "remove one of them"),
        ("bw://x?folder=a?collection=b", "the reference contains a second `?`", "write `&` between parameters"),
        (
            "bw://50%/x",
            "the item in the reference contains a `%` without two hexadecimal digits after it",
            "write a `%`",
        ),
        ("bw://x/%ff", "the `%XX` codes in the field of the reference are not UTF-8", "write the character itself"),
        ("bw://x/a#b", "a reference cannot contain `#`", "write a `#` in a name as `%23`"),
        ("bw:// x", "the item in the reference begins or ends with a space", "remove the space"),
        ("bw://x/y\n", "the field in the reference contains an invisible character", "remove it"),
        ("bw://x\udcff", "the item in the reference contains an invisible character", "remove it"),
    ],
)
def test_says_what_to_write_instead(text: str, message: str, hint: str) -> None:
    """What is no reference is refused with what to write instead."""
    with pytest.raises(InvalidReferenceError) as caught:
        parse(text)

    assert (caught.value.message, caught.value.code) == (message, "reference.invalid")
    assert caught.value.hints[0].startswith(hint)


def test_hints_how_a_custom_field_is_reached() -> None:
    """A custom field whose name looks like a built-in's is reached by the form that the hint says."""
    with pytest.raises(InvalidReferenceError) as caught:
        parse("bw://x/card.pin")

    assert caught.value.hints[1] == "write a custom field of that name as `field/card.pin`"
    assert parse("bw://x/field/card.pin").field == Field("custom", "card.pin")


@given(references)
@example(Reference(".", Field("custom", "uri.10000")))
def test_text_and_reference_are_the_same(reference: Reference) -> None:
    """The canonical text of any reference means that reference, and all of it can be seen."""
    text = str(reference)

    assert parse(text) == reference
    assert text.isprintable()
    assert "#" not in text


@pytest.mark.parametrize("text", ["bw://CI tokens/Größe?folder=Büro/Server räume", "bw://a@b:c+d,e=(f)'s/x.y_z-~$"])
def test_text_keeps_what_can_be_seen(text: str) -> None:
    """The canonical text has no `%`, which cron and systemd treat specially, where the grammar does not need it."""
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("written", "documented"),
    [
        ("card.exp_month", "card.expMonth"), ("card.expMonth", "card.expMonth"),
        ("ssh.privateKey", "ssh.private_key"), ("ssh.private_key", "ssh.private_key"),
        ("ssh.keyFingerprint", "ssh.fingerprint"), ("ssh.key_fingerprint", "ssh.fingerprint"),
        ("identity.address1", "identity.address1"), ("identity.address_1", "identity.address1"),
        ("bank_account.swift_code", "bankAccount.swiftCode"), ("bankAccount.swift_code", "bankAccount.swiftCode"),
        ("drivers_license.licenseNumber", "driversLicense.licenseNumber"),
        ("passport.national_identification_number", "passport.nationalIdentificationNumber"),
    ],
)  # fmt: skip
def test_both_spellings_of_a_field(written: str, documented: str) -> None:
    """Camel case and snake case name the same built-in field."""
    assert parse(f"bw://x/{written}").field == Field("built-in", documented)


def test_every_field_has_both_spellings() -> None:
    """Each typed field is found by its name in the JSON, too, as `bw get item` prints it."""
    for documented, (kind, wire_name) in fields.TYPED.items():
        if kind != fields.LOGIN:
            prefix = documented.partition(".")[0]
            assert parse(f"bw://x/{prefix}.{wire_name}").field == Field("built-in", documented)


@given(st.text() | st.text().map("bw://".__add__) | st.text("bw:/?&=%#.fieldr1").map("bw://".__add__))
def test_raises_only_its_own_error(text: str) -> None:
    """Any text is a reference with a canonical text, or InvalidReferenceError."""
    try:
        reference = parse(text)
    except InvalidReferenceError:
        return

    assert is_reference(text)
    assert parse(str(reference)) == reference


def test_a_wrong_case_is_no_plain_value() -> None:
    """What was meant as a reference is recognised as one, so that it is refused and not passed on."""
    assert [is_reference(text) for text in ("bw://x", "Bw://x", "bw:/x", "", "x bw://")] == [True, True] + [False] * 3


class Source:
    """Values by the canonical text of what asks for them."""

    def __init__(self, values: Mapping[str, bytes | BwrunError]) -> None:
        """Give or raise these."""
        self.values = values

    def value(self, reference: Reference) -> Sensitive:
        """Give or raise one."""
        value = self.values[str(reference)]
        if isinstance(value, BwrunError):
            raise value
        return Sensitive(value)


SOURCE = Source(
    {
        "bw://a": b"s3cret",
        "bw://b": SecretNotFoundError("not-found", "no item is called `b`", "did you mean `a`?"),
        "bw://c": IntegrityError("`password` of item `c` fails its integrity check"),
    }
)


def test_resolves_all() -> None:
    """Each variable gets its value."""
    assert resolve({"X": Reference("a"), "Y": Reference("a")}, SOURCE) == dict.fromkeys("XY", Sensitive(b"s3cret"))


def test_one_failure_keeps_its_code() -> None:
    """A single failure is reported as what it is, with the variable's name."""
    with pytest.raises(UnresolvedReferencesError) as caught:
        resolve({"X": Reference("a"), "Y": Reference("b")}, SOURCE)

    error = caught.value
    assert (error.message, error.code) == ("Y: no item is called `b`", "reference.not-found")
    assert error.hints == ("did you mean `a`?",)


def test_lists_all_failures_and_no_value() -> None:
    """All failures are in one error, with their hints, and nothing of the values that were found."""
    with pytest.raises(UnresolvedReferencesError) as caught:
        resolve({"X": Reference("a"), "Y": Reference("b"), "Z": Reference("c")}, SOURCE)

    error = caught.value
    assert error.message == (
        "cannot resolve 2 references: Y: no item is called `b`; Z: `password` of item `c` fails its integrity check"
    )
    assert (error.code, error.hints) == ("reference.unresolved", ("Y: did you mean `a`?",))
    assert [failure.code for failure in error.failures] == ["reference.not-found", "crypto.integrity"]
    assert "s3cret" not in repr(vars(error))


def test_an_optional_one_may_be_missing_and_nothing_else() -> None:
    """An optional reference may name nothing; what cannot be opened fails all the same."""
    optional = {"Y", "Z"}

    assert resolve({"X": Reference("a"), "Y": Reference("b")}, SOURCE, optional) == {"X": Sensitive(b"s3cret")}
    with pytest.raises(UnresolvedReferencesError) as caught:
        resolve({"Y": Reference("b"), "Z": Reference("c")}, SOURCE, optional)

    assert [failure.name for failure in caught.value.failures] == ["Z"]


def test_finds_near_names() -> None:
    """A slip of the pen and another case are near, something else is not."""
    assert near_names("prod-bd", ["prod-db", "mail", "x" * 1000]) == ["prod-db"]
    assert near_names("PROD-DB", ["prod-db"]) == ["prod-db"]
    assert near_names("zzz", ["prod-db"]) == []


def test_knows_what_needs_no_vault() -> None:
    """An item by its id can be fetched alone; a name, or where it is, cannot be found without the vault."""
    assert [parse(f"bw://{text}").by_ids for text in (ID, f"{ID.upper()}?newline=lf", "x", f"{ID}?folder=x")] == [
        True,
        True,
        False,
        False,
    ]
