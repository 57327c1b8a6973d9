"""What `bwrun --login` asks on the terminal, and keeping the answers: in the keyring, or else in a file."""

from __future__ import annotations

from bwrun.base.console import printable
from bwrun.base.deadline import Deadline
from bwrun.base.errors import CredentialError
from bwrun.base.structs import Struct
from bwrun.credentials.api_key import KEY_HINT, checked_client_id, checked_client_secret
from bwrun.credentials.confirming import says_yes
from bwrun.credentials.found import PROMPT, Secret
from bwrun.credentials.kept_entry import KeptEntry, write_entry
from bwrun.credentials.kept_file import read_kept_file, remove_unfinished, write_kept_file
from bwrun.settings.profile_name import DEFAULT_PROFILE
from bwrun.settings.servers import CLOUDS, Server, find_server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bwrun.base.console import Console
    from bwrun.credentials.prompts import Prompter
    from bwrun.settings.config import Config

OTHER_HINT = "what is set elsewhere is for another server or account, so it is not used here"
WORDS = {"BW_CLIENTID": "client_id", "BW_CLIENTSECRET": "client_secret", "BW_PASSWORD": "master password"}
EXPLANATION = """\
These are the credentials{of_profile} for all later runs.
client_id and client_secret are in the web vault: Settings → Security → Keys →
View API key. Press Enter to leave one out: it is not kept then, and later runs
take it from elsewhere or ask for it."""
# What somebody who has the secrets can do, by which of them there are.
DANGERS = {
    ("BW_CLIENTSECRET", "BW_PASSWORD"): "open your vault",
    ("BW_CLIENTSECRET",): "log in as you, and get your vault in its encrypted form",
    ("BW_PASSWORD",): "read your master password",
}


class Answers(Struct):
    """What was typed: the server, and those of the three credentials that were not left out."""

    server: Server
    typed: dict[str, Secret]  # by their variables


def ask_account(config: Config, prompter: Prompter) -> Answers:
    """
    Ask for server, client id, client secret and master password; each answer is checked at once.

    Raises CredentialError: an answer is malformed, or the terminal is gone; ConfigError: the server is no address.
    """
    of_profile = "" if config.profile == DEFAULT_PROFILE else printable(f" of the profile `{config.profile}`")
    prompter.say(EXPLANATION.format(of_profile=of_profile))
    known = ", ".join(CLOUDS)
    answer = prompter.ask_optional(f"server: {known} or a URL [{printable(config.server.name)}]", echo=True)
    server = config.server
    if answer is not None and answer.reveal().strip():
        server = find_server(answer.reveal().decode("utf-8", "replace"), None, None, places=("the server", "", ""))
    typed = {}
    for name, word in WORDS.items():
        line = prompter.ask_optional(f"Bitwarden {word}", echo=name == "BW_CLIENTID")
        if line is None:
            continue
        secret = Secret(line, PROMPT)
        if name == "BW_CLIENTID":
            checked_client_id(secret)
        elif name == "BW_CLIENTSECRET":
            secret = checked_client_secret(secret)
        typed[name] = secret
    return Answers(server, typed)


def check_complete(found: Mapping[str, Secret], *, is_other: bool) -> None:
    """
    Look whether there is an API key to try.

    `is_other`: what is set elsewhere is for another server or account, and not in `found`.

    Raises CredentialError: a half was left out, and is set nowhere.
    """
    missing = [name for name in ("BW_CLIENTID", "BW_CLIENTSECRET") if name not in found]
    if missing:
        what = " and ".join(WORDS[name] for name in missing)
        verb = "is" if len(missing) == 1 else "are"
        raise CredentialError(
            "missing", f"{what} {verb} neither entered nor set elsewhere, so there is nothing to log in with",
            *([OTHER_HINT] if is_other else []), KEY_HINT,
        )  # fmt: skip


class Keeper:
    """Keeps the credentials of one profile."""

    def __init__(self, config: Config, prompter: Prompter, console: Console) -> None:
        """Look whether there is a file that cannot be used. Raises CredentialError."""
        self._environment = config.sources.environment
        self._profile = config.profile
        self._timeout = config.timeout
        self._prompter = prompter
        self._console = console
        unfinished = remove_unfinished(self._environment)
        if unfinished:
            prompter.say(printable(unfinished))
        before = read_kept_file(self._environment)
        self._path = before.path
        self._before = before.entries.get(config.profile)

    def keep(self, entry: KeptEntry) -> None:
        """
        Keep an entry in place of the one that was kept before, and say where.

        Raises CredentialError: the answer is not yes, or the file cannot be written.
        """
        where = f"`{self._path}`"
        if not entry.secrets:
            self._write(entry)
        else:
            name = self._keep_in_keyring(entry)
            if name is not None:
                where = f"the keyring ({name})"
            else:
                self._ask_for_file(entry)
                self._write(entry)
        words = [WORDS["BW_CLIENTID"], *(WORDS[name] for name in entry.secrets)]
        shown = ", ".join(words[:-1]) + (" and " if words[1:] else "") + words[-1]
        profile = "" if self._profile == DEFAULT_PROFILE else f" --profile {self._profile}"
        self._prompter.say(printable(f"kept {shown} in {where}; `bwrun --logout{profile}` removes them"))

    def _keep_in_keyring(self, entry: KeptEntry) -> str | None:
        """Keep the secrets in the keyring and return its name; None, and say why, if that is not possible."""
        from bwrun.credentials.system_keyring import open_keyring  # noqa: PLC0415  (it imports `keyring`)

        try:
            keyring = open_keyring(Deadline(self._timeout))
            before = keyring.read(self._profile)
            keyring.write(self._profile, write_entry(entry))
        except CredentialError as error:
            self._prompter.say("\n".join(map(printable, (error.message, *error.hints))))
            return None
        try:
            write_kept_file(self._environment, {self._profile: entry.without_secrets()})
        except CredentialError:
            # Without the file, no run would use what the keyring has now: it gets back what it had.
            if before is None:
                keyring.remove(self._profile)
            else:
                keyring.write(self._profile, before)
            raise
        return keyring.name

    def _ask_for_file(self, entry: KeptEntry) -> None:
        """Ask whether a file may have the secrets. Raises CredentialError: the answer is not yes."""
        danger = DANGERS[tuple(name for name in WORDS if name in entry.secrets)]
        self._prompter.say(
            printable(f"bwrun can keep them in the file `{self._path}`, which only you can open (mode 0600).")
            + f"\nThe file is not encrypted: anyone who can read this file as you, or a backup of it, can\n{danger}."
        )
        if not says_yes(self._prompter, 'keep them in this file? ("yes" keeps them)'):
            raise CredentialError("not-confirmed", "the answer was not `yes`, so nothing is kept")

    def _write(self, entry: KeptEntry) -> None:
        """Write the entry to the file, and remove from the keyring what was there before."""
        write_kept_file(self._environment, {self._profile: entry})
        if self._before is None or not self._before.in_keyring:
            return
        from bwrun.credentials.system_keyring import open_keyring  # noqa: PLC0415

        try:
            open_keyring(Deadline(self._timeout)).remove(self._profile)
        except CredentialError as error:
            self._console.warn(f"what was kept before is still in the keyring: {error.message}", *error.hints)
