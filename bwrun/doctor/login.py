"""The steps of `--doctor` from the credentials to the open vault, and what runs keep for later ones."""

from __future__ import annotations

from functools import partial

from bwrun.base.errors import CredentialError, ServerError
from bwrun.cache.waits import Waits
from bwrun.credentials.finding import not_set, read_credentials
from bwrun.crypto.parameters import Argon2id, Pbkdf2, UnlockData
from bwrun.doctor.case import Case
from bwrun.doctor.report import SEE_CHECK, Finding
from bwrun.login.account import account_of
from bwrun.login.fetching import Fetched
from bwrun.login.kept_vault import in_words, nothing_kept
from bwrun.login.steps import UnlockingSteps
from bwrun.login.unlocking import explained
from bwrun.login.user_key import cost_of
from bwrun.network.remembered import LOGINS, REQUESTS
from bwrun.planning.plan import find_kept_for
from bwrun.settings.caching import ALWAYS
from bwrun.vault.sync import sync_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bwrun.base.tasks import Task
    from bwrun.login.access import Access
    from bwrun.login.token import Login


def look_at_kept(case: Case) -> Finding:
    """Look whether a run would use credentials that `bwrun --login` keeps, and the server that they are for."""
    case.require_login()
    missing = not_set(case.config)
    case.config, case.kept = find_kept_for(case.plan, case.config)
    kept = case.kept
    if kept is None:
        why = "`bwrun --login` keeps none for this run" if missing else "not needed: all credentials are set"
        return Finding(why, {"used": False, "missing": list(missing)})
    facts = {
        "used": not kept.unused,
        "missing": list(missing),
        "path": kept.path,
        "in_keyring": kept.entry.in_keyring,
        "profile": kept.profile,
        "server": kept.entry.server.name,
    }
    if kept.unused:
        case.notes.warn(kept.unused)
        return Finding("not used", facts)
    where = "the keyring" if kept.entry.in_keyring else "this file"
    return Finding(f"`{kept.path}` for {kept.entry.server.name}: what is not set comes from {where}", facts)


def find_credentials(case: Case) -> Finding:
    """Read the credentials; on a terminal, ask for missing ones as a run does."""
    case.require_login()
    try:
        found = read_credentials(case.config, (case.supervisor.descriptor,), case.context.deadline, case.kept)
    except CredentialError as error:
        from bwrun.session.nested import explain_missing  # noqa: PLC0415  (only after a failure)

        raise explain_missing(error, case.config, has_references=case.plan.has_references) from None
    if found.user_key is not None:
        from bwrun.login.given_user_key import check_form  # noqa: PLC0415  (most runs have a password)

        check_form(found)
    case.notes.print_warnings(found.warnings)
    case.credentials = found
    return Finding(found.places, dict(found.place_of_each))


def look_at_waits(case: Case) -> Finding:
    """Look whether the server has asked earlier runs of this account to wait."""
    waits = Waits(case.environment, case.credentials.api_key.client_id, case.config.server.identity)
    facts: dict[str, object] = {}
    for kind in (LOGINS, REQUESTS):
        record = waits.recall(kind, anew=True)
        left = 0.0 if record is None else max(0.0, record.until - waits.now())
        facts[kind] = round(left, 1)
        if left > 0:
            hint = "a run waits that long if `--timeout` allows it; `bwrun --clean` forgets such waits"
            case.notes.warn(f"the server limits {kind}: a wait of an earlier run goes on for {left:.0f} s", hint)
    return Finding("none of earlier runs" if not any(facts.values()) else "not over", facts)


class Unlocking:
    """The login, the sync, and the keys: the steps of `bwrun.login.steps`, one after the other."""

    _steps: UnlockingSteps  # these from `log_in`
    _login: Login
    _access: Access
    _sync: Task[Fetched]  # from `fetch`

    def __init__(self, case: Case) -> None:
        """Send nothing yet."""
        self._case = case

    def log_in(self) -> Finding:
        """Log in."""
        case = self._case
        self._steps = UnlockingSteps(case.config.replaced(cache=None), case.credentials, case.context)
        try:
            self._login = self._steps.log_in()[0]
        except ServerError as error:
            raise explained(error, self._steps, case.config) from None
        self._access = self._steps.access_of(self._login)
        seconds = case.timings.took("token")
        who = self._login.email or self._login.user_id or "an account that the server does not name"
        facts = {"email": self._login.email, "id": self._login.user_id, "server": case.config.server.name}
        return Finding(f"as {who} at {case.config.server.name} ({seconds:.2f} s)", facts)

    def fetch(self) -> Finding:
        """Fetch the vault."""
        self._sync = self._steps.start_sync(self._access, self._login)
        fetched = self._steps.wait_for_sync(self._sync)
        found = sync_of(fetched.data).get("ciphers")
        count, size = len(found) if isinstance(found, list) else 0, fetched.size or 0
        seconds = self._case.timings.took("sync")
        text = f"{count} item(s), {size / 1000:.1f} kB ({seconds:.2f} s)"
        return Finding(text, {"items": count, "bytes": size, "seconds": round(seconds, 3)})

    def unlock(self) -> Finding:
        """Derive the key, and open the keys of the account with it."""
        case, steps = self._case, self._steps
        user_key, connector = steps.unwrap_user_key(self._login, self._access, self._sync, lambda: None)
        unlocked = steps.open_vault(
            self._login,
            self._access,
            steps.wait_for_sync(self._sync),
            user_key,
            connector=connector,
            server_config=case.server_config,
        )
        case.unlocked = unlocked
        account = account_of(unlocked, case.config.server.name)
        unlock, credentials = self._login.unlock, case.credentials
        if credentials.user_key is not None:
            return Finding(f"with the user key from {credentials.user_key_place}", {"with": "user_key", **account})
        seconds = round(case.timings.took("kdf"), 3)
        if not isinstance(unlock, UnlockData):
            text = f"with the key of the Key Connector {connector} ({seconds:.2f} s)"
            return Finding(text, {"with": "key_connector", "seconds": seconds, **account})
        kdf = {Pbkdf2: "PBKDF2", Argon2id: "Argon2id"}[type(unlock.kdf)]
        facts = {"with": "master_password", "kdf": kdf, **unlock.kdf.as_dict(), "seconds": seconds, **account}
        return Finding(f"with the master password: {cost_of(unlock.kdf)}, {seconds:.2f} s on this machine", facts)


def resolve(case: Case) -> Finding:
    """Resolve the references of a run, and choose the items of a session with `--only`."""
    plan, config = case.plan, case.config
    if not plan.requested and not plan.selectors:
        return Finding("none", {"count": 0})
    from bwrun.injection.resolving import open_vault  # noqa: PLC0415
    from bwrun.planning.looking_up import look_up  # noqa: PLC0415

    opened = case.outer_vault.open if case.outer_vault is not None else partial(open_vault, case.unlocked)
    vault = opened(allow_protected=config.allow_protected)
    case.chosen = look_up(plan, config, vault, case.notes).chosen
    case.notes.replace_hints(SEE_CHECK)
    count = len(plan.requested.references) if plan.requested else 0
    limited = "" if case.chosen is None else f"; the session holds {len(case.chosen)} item(s)"
    return Finding(f"{count} resolved{limited}", {"count": count})


def look_at_cache(case: Case) -> Finding:
    """Look what the cache has for this account, without changing it."""
    from bwrun.login.caching import look_into_cache  # noqa: PLC0415  (it imports `fcntl`)

    config = case.config
    if config.cache is None:
        return Finding("off", {"on": False})
    state = look_into_cache(config, case.credentials)
    for problem in state.problems:
        case.notes.warn(f"the cache is off: {problem}", "set BWRUN_CACHE_DIR to a directory that only you can write to")
    if state.age is None and config.cache.offline == ALWAYS:
        raise nothing_kept()
    facts = {"on": True, "directory": state.directory, "in_ram": state.in_ram, "age": state.age, "usable": False}
    if state.directory is None:
        return Finding("there is no directory for it yet", facts)
    if state.age is None:
        return Finding(f"nothing in `{state.directory}` that this run could use", facts)
    case.is_cached = True
    text = f"a vault in `{state.directory}`, {in_words(state.age)} old"
    return Finding(text, {**facts, "usable": True})
