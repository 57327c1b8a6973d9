"""
Finding the personal API key and the master password.

Client id and client secret are looked for in the environment, then in the env files, then asked for at a prompt. Each
place may have the value itself (NAME) or the path of a file that contains it (NAME_FILE). The master password can also
come from --password-file, --password-fd or --password-command, which win over all of these.

One error names everything that is missing.
"""

from __future__ import annotations

import os
import time

from bwrun.base.console import WarningMessage
from bwrun.base.deadline import Deadline
from bwrun.base.errors import CredentialError
from bwrun.base.reading import read_file_and_status, read_line
from bwrun.base.sensitive import Sensitive
from bwrun.base.structs import Struct
from bwrun.credentials.doubts import doubts, exposed
from bwrun.settings.config import Config
from bwrun.settings.env_files import PIPE_TIMEOUT, EnvFile
from bwrun.settings.presented import is_uuid
from bwrun.settings.sources import CREDENTIALS, ENVIRONMENT, SettingValue, Sources, variable_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SIZE = 64 * 1024  # bytes of a file with one secret
PASSWORD_OPTIONS = ("password-file", "password-fd", "password-command")
PROMPT = "the prompt"
QUESTIONS = ("client_id", "client_secret", "master password")  # for the prompts, in the order of CREDENTIALS
KEY_HINT = "find the personal API key in the web vault: Settings → Security → Keys → View API key"
PASSWORD_HINT = "set the master password too: an API key alone cannot unlock a vault"  # noqa: S105
CONNECTOR_HINT = "if your organization runs a Key Connector, set `--key-connector-url` instead"


class Secret(Struct):
    """A credential and the place it came from."""

    value: Sensitive
    place: str  # for messages
    doubts: tuple[str, ...] = ()  # hints for the case that it is refused
    warnings: tuple[WarningMessage, ...] = ()


class ApiKey(Struct):
    """A personal API key: a client id of the form `user.UUID`, and its secret."""

    client_id: str
    client_secret: Sensitive


class Credentials(Struct):
    """A personal API key and the master password of its account, and where each came from, for messages."""

    api_key: ApiKey
    master_password: Sensitive | None  # None only with --key-connector-url
    client_id_place: str
    client_secret_place: str
    master_password_place: str
    doubts: Mapping[str, tuple[str, ...]] = {}
    warnings: tuple[WarningMessage, ...] = ()

    @property
    def places(self) -> str:
        """Say where each came from, for messages."""
        password = self.master_password_place
        return f"client_id from {self.client_id_place}, client_secret from {self.client_secret_place}, " + (
            f"master password from {password}" if password else "no master password"
        )


def find_client_id(sources: Sources) -> str | None:
    """
    Return the client id that a run would use; None if it would have to ask for it.

    Raises CredentialError: the client id is malformed, or its file cannot be read.
    """
    found = _find("BW_CLIENTID", sources, Deadline(PIPE_TIMEOUT))
    return None if found is None else _checked_client_id(found)


def are_all_set(config: Config) -> bool:
    """Return whether all three are set as plain values, so that no file, command or prompt has to be waited for."""
    if config.gateway is not None and config.gateway.key_is_encrypted:
        return False
    return not config.password_options and all(config.sources.find(name) is not None for name in CREDENTIALS)


def read_credentials(config: Config, own_descriptors: tuple[int, ...], deadline: Deadline) -> Credentials:
    """
    Find all three credentials, and ask for missing ones if there is a terminal.

    With --key-connector-url the master password may be missing; bwrun does not ask for it then. `own_descriptors` are
    open descriptors of bwrun itself, which --password-fd must not name. The time that prompts and the password command
    take does not count for the `deadline`.

    Raises CredentialError: a credential is missing, malformed or unreadable; NetworkError: the deadline has passed.
    """
    client_id = _find("BW_CLIENTID", config.sources, deadline)
    client_secret = _find("BW_CLIENTSECRET", config.sources, deadline)
    if client_id is not None:
        _checked_client_id(client_id)
    if client_secret is not None:
        client_secret = _checked_client_secret(client_secret)
    master_password = _find_password(config, own_descriptors, deadline)

    found = dict(zip(CREDENTIALS, (client_id, client_secret, master_password), strict=True))
    needed = CREDENTIALS if config.key_connector_url is None else CREDENTIALS[:2]
    missing = [name for name in needed if found[name] is None]
    if missing:
        start = time.monotonic()
        found.update(_ask(missing, config.sources))
        deadline.extend(time.monotonic() - start)
    complete = {name: secret for name, secret in found.items() if secret is not None}
    password = complete.get("BW_PASSWORD")
    return Credentials(
        api_key=ApiKey(
            _checked_client_id(complete["BW_CLIENTID"]), _checked_client_secret(complete["BW_CLIENTSECRET"]).value
        ),
        master_password=None if password is None else password.value,
        client_id_place=complete["BW_CLIENTID"].place,
        client_secret_place=complete["BW_CLIENTSECRET"].place,
        master_password_place="" if password is None else password.place,
        doubts={name: secret.doubts for name, secret in complete.items()},
        warnings=tuple(warning for secret in complete.values() for warning in secret.warnings),
    )


def _find(name: str, sources: Sources, deadline: Deadline) -> Secret | None:
    """Look for NAME and NAME_FILE in the environment, then in the env files from the last to the first."""
    found = _read(name, sources.in_environment(name), sources.in_environment(f"{name}_FILE"), deadline)
    for file in reversed(sources.files):
        if found is None:
            found = _read(name, sources.in_file(file, name), sources.in_file(file, f"{name}_FILE"), deadline)
    return found


def _read(name: str, direct: SettingValue | None, path: SettingValue | None, deadline: Deadline) -> Secret | None:
    """Return the credential that one place has, as `direct` value or in the file at `path`; None if it has none."""
    if direct is not None and path is not None:
        raise CredentialError(
            "conflict", f"both {name} and {name}_FILE are set in {_place_of(path)}", "remove one of them"
        )
    if direct is not None:
        return _of_variable(direct)
    if path is not None:
        return read_secret_file(path.value, f"{name}_FILE", deadline)
    return None


def _place_of(found: SettingValue) -> str:
    """Return where a value is from, for messages: the environment, or the env file without a line."""
    return ENVIRONMENT if found.file is None else f"`{found.file.path}`"


def _bytes(found: SettingValue) -> Sensitive:
    return Sensitive(os.fsencode(found.value) if found.file is None else found.value.encode("utf-8", "surrogateescape"))


def _find_password(config: Config, own_descriptors: tuple[int, ...], deadline: Deadline) -> Secret | None:
    """
    Return the master password; None if it is not set anywhere.

    The options come first, then the environment, then the env files from the last to the first. Each of these places
    may set one of BW_PASSWORD, BW_PASSWORD_FILE, BWRUN_PASSWORD_FILE, BWRUN_PASSWORD_FD and BWRUN_PASSWORD_COMMAND.
    """
    for option, value in config.password_options.items():
        return _read_from(option, value, config, own_descriptors, deadline)
    places: list[EnvFile | None] = [None, *reversed(config.sources.files)]  # None: the environment
    for file in places:
        found_ways = {}
        for name in ("BW_PASSWORD", "BW_PASSWORD_FILE", *map(variable_name, PASSWORD_OPTIONS)):
            found = config.sources.in_environment(name) if file is None else config.sources.in_file(file, name)
            if found is not None:
                found_ways[name] = found
        if len(found_ways) > 1:
            place = _place_of(next(iter(found_ways.values())))
            raise CredentialError(
                "conflict",
                f"the master password is set more than once in {place}: {', '.join(found_ways)}",
                "remove all but one of them",
            )
        for name, found in found_ways.items():
            if name == "BW_PASSWORD":
                return _of_variable(found)
            if name == "BW_PASSWORD_FILE":
                return read_secret_file(found.value, name, deadline)
            option = name.removeprefix("BWRUN_").lower().replace("_", "-")
            return _read_from(option, found.value, config, own_descriptors, deadline)
    return None


def _read_from(option: str, value: str, config: Config, own_descriptors: tuple[int, ...], deadline: Deadline) -> Secret:
    if option == "password-file":
        return read_secret_file(value, "`--password-file`", deadline)
    if option == "password-fd":
        password = _read_descriptor(value, own_descriptors, deadline)
        return Secret(password, f"descriptor {value}", doubts(password.reveal()))
    from bwrun.credentials.password_command import run_password_command  # noqa: PLC0415  (it imports `subprocess`)

    start = time.monotonic()
    password = run_password_command(value, config.sources.environment)
    deadline.extend(time.monotonic() - start)
    return Secret(password, "the password command", doubts(password.reveal()))


def _of_variable(found: SettingValue) -> Secret:
    value = _bytes(found)
    return Secret(value, found.place, doubts(value.reveal(), found))


def read_secret_file(path: str, setting: str, deadline: Deadline) -> Secret:
    """Return the secret in the file that a setting names. Raises CredentialError; NetworkError: the deadline."""
    try:
        data, status = read_file_and_status(path, MAX_SIZE + 1, deadline)
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno or 0) if isinstance(error, OSError) else "the name contains a NUL byte"
        # A "path" without a slash that does not exist may be the secret itself, set in the wrong variable: not shown.
        shown = (
            f"`{path}` (from {setting})" if "/" in path or os.path.exists(path) else f"the file that {setting} names"
        )
        raise CredentialError("unreadable", f"cannot read {shown}: {why}") from None
    secret = _strip_newline(data, f"`{path}` (from {setting})")
    return Secret(secret, f"`{path}`", doubts(secret.reveal()), exposed(path, status))


def _read_descriptor(number: str, own_descriptors: tuple[int, ...], deadline: Deadline) -> Sensitive:
    where = f"descriptor {number} (from `--password-fd`)"
    if not (number.isascii() and number.isdigit()) or len(number) > 9:
        raise CredentialError("bad-fd", "`--password-fd` needs the number of an open descriptor")
    if int(number) in own_descriptors:
        raise CredentialError("unreadable", f"{where} is not open")
    try:
        data = read_line(int(number), MAX_SIZE + 1, deadline)
        if int(number) > 2:
            os.close(int(number))  # or the command would inherit it
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise CredentialError(
            "unreadable",
            f"cannot read {where}: {why}",
            "open it in the shell: `bwrun --password-fd 3 -- COMMAND 3<FILE`",
        ) from None
    return _strip_newline(data, where)


def _strip_newline(data: bytes, place: str) -> Sensitive:
    """Return a secret without the newline at its end. Spaces stay: a password may begin or end with one."""
    if len(data) > MAX_SIZE:
        raise CredentialError(
            "too-large", f"{place} contains more than {MAX_SIZE >> 10} KiB", "check that it contains only the secret"
        )
    secret = data.removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        raise CredentialError("empty", f"{place} is empty")
    return Sensitive(secret)


def _checked_client_id(secret: Secret) -> str:
    text = secret.value.reveal().decode("utf-8", "replace").strip()
    if _has_quotes(text):
        raise _quotes_error("BW_CLIENTID", secret.place)
    if text.startswith("organization."):
        raise CredentialError(
            "organization-key", f"the client id from {secret.place} belongs to an organization's API key",
            f"use a personal API key, whose client id begins with `user.`; {KEY_HINT}",
        )  # fmt: skip
    if not (text.startswith("user.") and is_uuid(text.removeprefix("user."))):
        raise CredentialError(
            "malformed-client-id", f"the client id from {secret.place} does not have the form `user.UUID`", KEY_HINT
        )
    return text


def _checked_client_secret(secret: Secret) -> Secret:
    value = secret.value.reveal().strip()
    if not value:
        raise CredentialError("empty", f"the client secret from {secret.place} is empty", KEY_HINT)
    if _has_quotes(value.decode("utf-8", "replace")):
        raise _quotes_error("BW_CLIENTSECRET", secret.place)
    return Secret(Sensitive(value), secret.place, secret.doubts, secret.warnings)


def _has_quotes(text: str) -> bool:
    return text[:1] in ("'", '"', "“", "‘") or (text[-1:] in ("'", '"', "”", "’") and len(text) > 0)


def _quotes_error(name: str, place: str) -> CredentialError:
    return CredentialError(
        "quoted", f"the value of {name} from {place} begins or ends with a quote",
        "remove the quotes: `docker run --env-file`, for example, passes them on as part of the value",
    )  # fmt: skip


def may_ask(sources: Sources) -> bool:
    """Return whether BW_NOINTERACTION allows prompts."""
    return sources.environment.get("BW_NOINTERACTION", "").lower() in ("", "0", "false")


def _where_it_looked(sources: Sources) -> str:
    files = " and ".join(f"`{file.path}`" for file in sources.files)
    if not files:
        return f"bwrun looked in {ENVIRONMENT}; there is no `.env` in the working directory"
    return f"bwrun looked in {ENVIRONMENT} and in {files}"


def ask_password_again(config: Config, deadline: Deadline) -> Secret | None:
    """
    Ask for the master password once more, after a wrong one was typed; None if there is no terminal any more.

    The time that it takes is excused from the `deadline`.

    Raises CredentialError: nothing was entered.
    """
    from bwrun.credentials.prompts import Prompter  # noqa: PLC0415  (only after a prompt)

    prompter = Prompter.find()
    if prompter is None or not may_ask(config.sources):
        return None
    start = time.monotonic()
    try:
        prompter.say("wrong master password; try again")
        return Secret(prompter.ask(f"Bitwarden {QUESTIONS[2]}", echo=False), PROMPT)
    finally:
        prompter.close()
        deadline.extend(time.monotonic() - start)


def _ask(missing: list[str], sources: Sources) -> dict[str, Secret]:
    """Ask for the credentials in `missing` on the terminal; raise CredentialError if that is not possible."""
    refused = not may_ask(sources)
    from bwrun.credentials.prompts import Prompter  # noqa: PLC0415  (it imports `termios`, and most runs need no prompt)

    prompter = None if refused else Prompter.find()
    if prompter is None:
        verb, it = ("is", "it") if len(missing) == 1 else ("are", "them")
        names = ", ".join(missing[:-1]) + (" and " if missing[1:] else "") + missing[-1]
        raise CredentialError(
            "missing", f"{names} {verb} not set" + ("" if refused else f", and there is no terminal to ask for {it}"),
            _where_it_looked(sources),
            f"set {it} in the environment or in `.env`, or set NAME_FILE to the path of a file that contains the value",
            *([KEY_HINT] if missing != ["BW_PASSWORD"] else []),
            *([PASSWORD_HINT, CONNECTOR_HINT] if "BW_PASSWORD" in missing else []),
        )  # fmt: skip
    questions = {name: f"Bitwarden {what}" for name, what in zip(CREDENTIALS, QUESTIONS, strict=True)}
    try:
        answers = {}
        for name in missing:
            secret = Secret(prompter.ask(questions[name], echo=name == "BW_CLIENTID"), PROMPT)
            if name == "BW_CLIENTID":
                _checked_client_id(secret)
            answers[name] = secret
        return answers
    finally:
        prompter.close()
