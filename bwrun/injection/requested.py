"""
Finding the secrets that a run asks for: references in variables, in templates, in `--item` and in `--ssh-key`.

Variables are read from the environment that the command would get. A reference in an env file does not count if the
caller's environment replaces it. Nothing is looked up in the vault yet; one error reports everything that is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from bwrun.base.console import Console
from bwrun.base.errors import (
    BwrunError,
    ConfigError,
    FailedReferenceError,
    InvalidReferenceError,
    UnresolvedReferencesError,
    UsageError,
)
from bwrun.base.structs import Struct
from bwrun.injection.composing import find_unbraced, parse_composed, texts_around_references
from bwrun.injection.placeholders import TextWithReferences
from bwrun.injection.templates import Template, parse_template, parse_template_option, read_template_bytes
from bwrun.references.grammar import Field, Reference, is_reference, parse
from bwrun.references.selectors import parse_item
from bwrun.settings.config import Config
from bwrun.settings.sources import AGENT_VARIABLE
from bwrun.settings.variable_names import why_forbidden

PRIVATE_KEY = Field("built-in", "ssh.private_key")
MAX_FETCHED_ALONE = 10  # items; to fetch more of them one by one takes longer than to fetch the whole vault


class RequestedSecrets(Struct):
    """The references of a run, by what they are for."""

    variables: dict[str, Reference]  # by the variable that gets the value
    composed: dict[str, TextWithReferences]  # by the variable that gets the text with the values
    files: dict[str, Reference]  # by the variable that gets the path of a file with the value
    items: tuple[Reference, ...]  # of --item: all custom fields become variables
    templates: tuple[Template, ...]
    ssh_keys: dict[str, Reference]  # the private keys for the ssh-agent, by the option as it was written

    @property
    def references(self) -> list[Reference]:
        """Return all references."""
        texts = (*self.composed.values(), *self.templates)
        in_texts = [reference for text in texts for reference in text.references]
        return [*self.variables.values(), *self.files.values(), *self.items, *in_texts, *self.ssh_keys.values()]

    @property
    def makes_files(self) -> bool:
        """Return whether the run makes files, or the socket of an ssh-agent, so that it needs a directory."""
        return bool(self.files or self.templates or self.ssh_keys)

    def ids_to_fetch_alone(self) -> tuple[str, ...]:
        """
        Return the ids of the items to fetch one by one; empty if the whole vault has to be fetched.

        Items can be fetched alone if all references name them by id, and if there are no more than MAX_FETCHED_ALONE.
        """
        ids = dict.fromkeys(reference.item.lower() for reference in self.references)
        return tuple(ids) if len(ids) <= MAX_FETCHED_ALONE and all(one.by_ids for one in self.references) else ()


def find_requested_secrets(
    config: Config, environment: Mapping[bytes, bytes], console: Console, *, nested: bool
) -> RequestedSecrets | None:
    """
    Return the secrets that a run asks for; None if there is no reference and no template.

    `environment` is the command's environment before any reference is replaced by its value. A warning is printed for
    each variable that contains a reference without braces; in a `nested` run, the caller's variables are left out.

    Raises UnresolvedReferencesError: references are malformed; UsageError: an option is wrong; ConfigError: a template
    cannot be read. If more than one thing is wrong, all of it is in an UnresolvedReferencesError.
    """
    failures: list[FailedReferenceError] = []
    templates, problems = _read_templates(config, failures)
    replaced = {os.fsencode(template.variable) for template in templates}
    if config.ssh_keys:
        replaced.add(os.fsencode(AGENT_VARIABLE))
    texts = {
        os.fsdecode(name): value.decode("utf-8", "surrogateescape")
        for name, value in environment.items()
        if name not in replaced
    }
    variables = _parse_all({name: text for name, text in texts.items() if is_reference(text)}, failures)
    files = {name: text[1:] for name, text in texts.items() if text[:1] == "@" and is_reference(text[1:])}
    file_references = _parse_all(files, failures)
    around = texts_around_references(config, texts)
    console.print_warnings(find_unbraced(config, around, nested=nested))
    composed = {name: parse_composed(name, text, failures) for name, text in around.items()}
    items = [_parse_item(f"--item {text}", text, failures) for text in config.items]
    keys = {f"--ssh-key {text}": _parse_item(f"--ssh-key {text}", text, failures) for text in config.ssh_keys}
    if len(problems) == 1 and not failures:
        raise problems[0]
    failures += [FailedReferenceError("--template", problem) for problem in problems]
    if failures:
        raise UnresolvedReferencesError(failures)
    ssh_keys = {
        label: Reference(one.item, PRIVATE_KEY, one.folder, one.collection, one.organization)
        for label, one in keys.items()
        if one is not None
    }
    requested = RequestedSecrets(
        variables,
        {name: text for name, text in composed.items() if text is not None},
        file_references,
        tuple(one for one in items if one is not None),
        templates,
        ssh_keys,
    )
    return requested if requested.references or requested.templates else None


def _parse_all(texts: Mapping[str, str], failures: list[FailedReferenceError]) -> dict[str, Reference]:
    parsed: dict[str, Reference] = {}
    for name, text in texts.items():
        why = why_forbidden(name)
        if why is not None:
            failures.append(FailedReferenceError(name, InvalidReferenceError(why)))
        try:
            parsed[name] = parse(text)
        except InvalidReferenceError as error:
            failures.append(FailedReferenceError(name, error))
    return parsed


def _parse_item(label: str, text: str, failures: list[FailedReferenceError]) -> Reference | None:
    """Parse the value of --item or --ssh-key; `label` is the option with its value."""
    try:
        return parse_item(text, label.partition(" ")[0])
    except InvalidReferenceError as error:
        failures.append(FailedReferenceError(label, error))
        return None


def _read_templates(
    config: Config, failures: list[FailedReferenceError]
) -> tuple[tuple[Template, ...], list[BwrunError]]:
    """
    Return the templates, and what is wrong with the options. Malformed references are added to `failures`.

    The references of a template are checked even if its variable cannot be set.
    """
    templates: dict[str, Template] = {}
    problems: list[BwrunError] = []
    texts: dict[str, bytes] = {}  # each file is read once: it may be a pipe
    for option in config.templates:
        path, variable, file_name, problem = _parse_option(option, config, templates)
        is_new = path not in texts
        if problem is not None:
            problems.append(problem)
            if is_new and not os.path.isfile(path):
                continue  # the run fails anyway: do not wait for a pipe
        if is_new:
            try:
                texts[path] = read_template_bytes(path)
            except ConfigError as error:
                texts[path] = b""
                problems += [error] if problem is None else []
        template, wrong = parse_template(path, variable, file_name, texts[path])
        failures += wrong if is_new else []
        if problem is None:
            templates[variable] = template
    return tuple(templates.values()), problems


def _parse_option(
    option: str, config: Config, templates: Mapping[str, Template]
) -> tuple[str, str, str, UsageError | None]:
    """Return the path, the variable and the file name of a --template, and why they cannot be used, or None."""
    try:
        path, variable, file_name = parse_template_option(option)
    except UsageError as error:
        return option.rpartition(":")[0], "", "", error
    taken = variable in config.assignments or (variable == AGENT_VARIABLE and bool(config.ssh_keys))
    if not taken and variable not in templates:
        return path, variable, file_name, None
    problem = UsageError(
        "template",
        f"two options set the variable `{variable}`",
        "name another variable after the colon of `--template`",
    )
    return path, variable, file_name, problem
