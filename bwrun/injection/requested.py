"""
What a run wants of the vault, read from its settings and the environment its command would get; nothing is looked up.

What is read is the environment as it would be, so that a reference which somebody else's value replaces is no
reference.  All that is wrong is told at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from bwrun.base.errors import (
    FailedReferenceError,
    InvalidReferenceError,
    UnresolvedReferencesError,
    UsageError,
)
from bwrun.base.structs import Struct
from bwrun.injection.templates import Template, read_template, read_text, split_option
from bwrun.injection.variable_names import refusal
from bwrun.references.grammar import SCHEME, Field, Reference, is_reference, parse
from bwrun.settings.config import Config
from bwrun.settings.sources import AGENT_VARIABLE

PRIVATE_KEY = Field("built-in", "ssh.private_key")
FEW = 10  # items that are fetched one by one, where that will do: more of them cost more than one sync


class Wanted(Struct):
    """References by what they are for."""

    variables: dict[str, Reference]  # variable → what it is to hold
    files: dict[str, Reference]  # variable → what the file is to hold whose path it gets
    items: tuple[Reference, ...]  # whose custom fields become variables
    templates: tuple[Template, ...]
    ssh_keys: dict[str, Reference]  # the option as it was written → what the ssh-agent is to hold

    @property
    def references(self) -> list[Reference]:
        """Return all of them."""
        in_templates = [spot.reference for template in self.templates for spot in template.spots]
        return [*self.variables.values(), *self.files.values(), *self.items, *in_templates, *self.ssh_keys.values()]

    @property
    def makes_files(self) -> bool:
        """Return whether a directory is needed: for files, or for the socket of an ssh-agent."""
        return bool(self.files or self.templates or self.ssh_keys)

    def few_ids(self) -> tuple[str, ...]:
        """Return the ids of the items, if those alone are enough to ask for and few; else nothing."""
        ids = dict.fromkeys(reference.item.lower() for reference in self.references)
        return tuple(ids) if len(ids) <= FEW and all(one.by_ids for one in self.references) else ()


def find_wanted(config: Config, environment: Mapping[bytes, bytes]) -> Wanted | None:
    """
    Return what the run wants, None if it is nothing; `environment` is the command's without any value of the vault.

    Raises UnresolvedReferencesError: with all that is malformed; UsageError, ConfigError.
    """
    failures: list[FailedReferenceError] = []
    templates = _read_templates(config, failures)
    replaced = {os.fsencode(template.variable) for template in templates}
    replaced |= {os.fsencode(AGENT_VARIABLE)} if config.ssh_keys else set()
    texts = {
        os.fsdecode(name): value.decode("utf-8", "surrogateescape")
        for name, value in environment.items()
        if name not in replaced
    }
    variables = _parse_all({name: text for name, text in texts.items() if is_reference(text)}, failures)
    files = {name: text[1:] for name, text in texts.items() if text[:1] == "@" and is_reference(text[1:])}
    file_references = _parse_all(files, failures)
    items = [_parse_item(text, f"--item {text}", failures) for text in config.items]
    keys = {f"--ssh-key {text}": _parse_item(text, f"--ssh-key {text}", failures) for text in config.ssh_keys}
    if failures:
        raise UnresolvedReferencesError(failures)
    whole = tuple(one for one in items if one is not None)
    ssh_keys = {
        label: Reference(one.item, PRIVATE_KEY, one.folder, one.collection, one.organization)
        for label, one in keys.items()
        if one is not None
    }
    wanted = Wanted(variables, file_references, whole, templates, ssh_keys)
    return wanted if wanted.references or wanted.templates else None


def _parse_all(texts: Mapping[str, str], failures: list[FailedReferenceError]) -> dict[str, Reference]:
    parsed: dict[str, Reference] = {}
    for name, text in texts.items():
        why = refusal(name)
        if why is not None:
            failures.append(FailedReferenceError(name, InvalidReferenceError(why)))
            continue
        try:
            parsed[name] = parse(text)
        except InvalidReferenceError as error:
            failures.append(FailedReferenceError(name, error))
    return parsed


def _parse_item(text: str, label: str, failures: list[FailedReferenceError]) -> Reference | None:
    try:
        reference = parse(text if is_reference(text) else SCHEME + text)
    except InvalidReferenceError as error:
        failures.append(FailedReferenceError(label, error))
        return None
    if reference.field is None:
        return reference
    whole = InvalidReferenceError(
        f"`{label.partition(' ')[0]}` takes an item without a field",
        "write a `/` in a name as `%2F`; for a single field use `-e NAME=bw://ITEM/FIELD`",
    )
    failures.append(FailedReferenceError(label, whole))
    return None


def _read_templates(config: Config, failures: list[FailedReferenceError]) -> tuple[Template, ...]:
    templates: dict[str, Template] = {}
    texts: dict[str, bytes] = {}  # each read once: it may be a pipe, or change meanwhile
    for path, variable, file_name in map(split_option, config.templates):
        replaced = variable in config.assignments or (variable == AGENT_VARIABLE and bool(config.ssh_keys))
        if variable in templates or replaced:
            raise UsageError(
                "template",
                f"two options set the variable `{variable}`",
                "name another variable after the colon of `--template`",
            )
        if path not in texts:
            texts[path] = read_text(path)
        templates[variable], wrong = read_template(path, variable, file_name, texts[path])
        failures += wrong
    _refuse_same_names(templates.values())
    return tuple(templates.values())


def _refuse_same_names(templates: Iterable[Template]) -> None:
    names = [template.file_name for template in templates]
    if len(set(names)) != len(names):
        raise UsageError(
            "template", "two templates make files with the same name", "name another file after the colon of one"
        )
