"""
Making the Config of a run from the command line, the environment, the env files and config.toml.

Every setting is checked here, before the first prompt and the first request. A Config holds no secret: credentials are
read in `bwrun.credentials`.
"""

from __future__ import annotations

import os

from bwrun.base.console import WarningMessage
from bwrun.base.errors import ConfigError, UsageError
from bwrun.base.structs import Struct
from bwrun.settings.command_line import Options
from bwrun.settings.env_files import read_env_file
from bwrun.settings.found_config import add_config_file
from bwrun.settings.found_file import find_env_file
from bwrun.settings.masking import masked_descriptors
from bwrun.settings.option_names import GATEWAY_OPTIONS, LOGIN, PRINTS_VALUES
from bwrun.settings.presented import find_client_version, find_device_id
from bwrun.settings.profile_name import DEFAULT_PROFILE
from bwrun.settings.servers import CA_HINT, Server, find_key_connector, find_server
from bwrun.settings.sources import AGENT_VARIABLE, SERVICE_DIRECTORY, SettingValue, Sources, is_bwrun_variable
from bwrun.settings.values import Settings, lines_of, names_of, repeatable, seconds_of
from bwrun.settings.warning_messages import find_warnings
from bwrun.system.common import IS_LINUX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bwrun.settings.caching import CacheSettings
    from bwrun.settings.gateway import GatewaySettings

DEFAULT_TIMEOUT = 60.0  # seconds
MAX_CA_FILE = 16 * 1024 * 1024  # bytes


class Config(Struct):
    """All settings of one run."""

    mode: str  # one of those of bwrun.settings.command_line
    json: bool
    search: tuple[str, ...]  # the words of --list
    references: tuple[str, ...]  # those of --get, not parsed
    export_format: str  # of --export
    command: tuple[str, ...]  # may be empty with --check, and is with other modes
    sources: Sources
    server: Server
    server_is_set: bool  # False: the server is the default
    untrusted_server: str | None  # where a found `.env` names a server that it may not name
    server_place: str | None  # where the server is set, for messages; None: nowhere
    key_connector_url: str | None
    gateway: GatewaySettings | None  # the client certificate and the headers for the server
    ca_files: tuple[str, ...]  # absolute paths
    cache: CacheSettings | None  # None: the cache is off
    timeout: float  # seconds for everything before the command, except prompts and --password-command
    jitter: float  # seconds: the longest random time to wait before the login of a run
    supervisor_settings: Mapping[str, str]  # kill-after, kill-leftovers, signal-exit: those that are set
    masked: frozenset[int]  # the descriptors whose output is masked, for --mask
    renew: bool
    assignments: Mapping[str, str]  # variables of -e; they win over the environment
    items: tuple[str, ...]  # values of --item, not parsed
    templates: tuple[str, ...]  # values of --template, not parsed
    ssh_keys: tuple[str, ...]  # values of --ssh-key, not parsed
    only: tuple[str, ...]  # values of --only, not parsed; empty: the session holds the whole vault
    wants_session: bool  # False: --no-session, or only values are printed
    optional: frozenset[str]  # variables of --optional: their item or field may be missing
    allow_protected: bool
    allow_costly_kdf: bool
    passed: frozenset[str]  # variables of --pass: credentials and settings that the command may see
    session_api_key: bool
    verbose: bool
    timings: bool  # print how long each phase took
    device_id: str | None
    client_version: str
    password_options: Mapping[str, str]  # --password-file, -fd or -command: where the password is, not the password
    client_secret_command: str | None  # of --clientsecret-command
    profile: str  # the name under which --login keeps credentials
    warnings: tuple[WarningMessage, ...]

    @property
    def files_read(self) -> str:
        """Say which files have settings for this run, for `-v`."""
        return f"settings from {', '.join(self.sources.described_files) or 'no file'}"


def load_config(options: Options, environment: Mapping[str, str], *, nested: bool = False) -> Config:
    """
    Read the env files and config.toml, and check every setting.

    `nested`: there is an outer bwrun. Its run had the settings of config.toml already, as it had those in the
    environment. So a nested run reads config.toml only if a profile is named.

    Raises ConfigError, UsageError: a file cannot be read, or a setting is wrong.
    """
    named = options.lists.get("env-file") or [path for path in [environment.get("BWRUN_ENV_FILE", "")] if path]
    # For --login, no `.env` is looked for: what is typed must not go to the server that a strange one names.
    automatic = None if named or options.mode == LOGIN else find_env_file(environment)
    files = [read_env_file(path) for path in named] or ([automatic] if automatic is not None else [])
    sources = Sources(environment, files, secret_by_option="clientsecret-command" in options.values)
    settings = Settings(options, sources)
    if not nested or settings.found("profile") is not None:
        add_config_file(settings, sources)
    given = [settings.found(name) for name in ("server", "identity-url", "api-url")]
    connector = settings.found("key-connector-url")
    switches = _session_switches(options, settings, sources)
    server = find_server(*(None if one is None else one.value for one in given), places=settings.places())
    key_connector_url = find_key_connector(
        None if connector is None else connector.value, settings.called("key-connector-url", connector)
    )
    gateway = _gateway(settings, server, key_connector_url, (*given, connector))
    passed = _passed(options, sources)
    _clean_environment(options, settings, sources, passed)
    return Config(
        mode=options.mode,
        json=options.json,
        search=tuple(options.search),
        references=tuple(options.references),
        export_format=options.format,
        command=tuple(options.command),
        sources=sources,
        server=server,
        server_is_set=any(given),
        server_place=next((one.place for one in given if one is not None), None),
        untrusted_server=None if any(given) else sources.untrusted_server(),
        key_connector_url=key_connector_url,
        gateway=gateway,
        ca_files=_ca_files(settings, environment),
        cache=_cache(settings, environment),
        timeout=seconds_of(settings.found("timeout"), "timeout") or DEFAULT_TIMEOUT,
        jitter=seconds_of(settings.found("jitter"), "jitter", can_be_zero=True) or 0.0,
        supervisor_settings=_supervisor_settings(settings),
        masked=masked_descriptors(options, sources),
        renew="renew" in switches,
        assignments=_assignments(options),
        items=repeatable(options, sources, "item"),
        templates=repeatable(options, sources, "template"),
        ssh_keys=_ssh_keys(options, settings, sources),
        only=lines_of(options, sources, "only"),
        wants_session=options.mode not in PRINTS_VALUES and not settings.flag("no-session"),
        optional=names_of(options, sources, "optional"),
        allow_protected=settings.flag("allow-protected"),
        allow_costly_kdf=settings.flag("allow-costly-kdf"),
        passed=passed,
        session_api_key="session-api-key" in switches,
        verbose=settings.flag("verbose"),
        timings=settings.flag("timings"),
        device_id=find_device_id(sources.find("BWRUN_DEVICE_ID")),
        client_version=find_client_version(sources.find("BWRUN_CLIENT_VERSION")),
        password_options=_password_options(options),
        client_secret_command=options.values.get("clientsecret-command"),
        profile=DEFAULT_PROFILE if (profile := settings.found("profile")) is None else profile.value,
        warnings=(*find_warnings(sources), *(() if gateway is None else gateway.warnings)),
    )


def _gateway(
    settings: Settings, server: Server, key_connector_url: str | None, addresses: tuple[SettingValue | None, ...]
) -> GatewaySettings | None:
    """Return the settings for a client certificate and headers; None if none of them is set."""
    given = {name: found for name in GATEWAY_OPTIONS if (found := settings.found(name)) is not None}
    if not given:
        return None
    from bwrun.settings.gateway import check_trust, read_gateway_settings  # noqa: PLC0415  (few servers need them)

    check_trust(given, addresses)
    return read_gateway_settings(given, tuple(filter(None, (server.identity, server.api, key_connector_url))))


def _cache(settings: Settings, environment: Mapping[str, str]) -> CacheSettings | None:
    """Return the settings of the cache; None if it is off."""
    if not any(settings.found(name) for name in ("cache", "max-age", "offline")):
        return None
    from bwrun.settings.caching import read_cache_settings  # noqa: PLC0415  (only for --cache)

    return read_cache_settings(settings.found, environment.get("BWRUN_CACHE_DIR"))


def _ca_files(settings: Settings, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files with trusted certificates: those of --ca-file, SSL_CERT_FILE and NODE_EXTRA_CA_CERTS."""
    chosen = settings.found("ca-file")
    paths = [] if chosen is None else [(chosen.value, chosen.place)]
    paths += [(environment.get(name, ""), name) for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")]
    for path, place in paths:
        if path:
            _check_ca_file(path, place)
    return tuple(dict.fromkeys(os.path.abspath(path) for path, _ in paths if path))


def _check_ca_file(path: str, place: str) -> None:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_CA_FILE)
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno or 0) if isinstance(error, OSError) else "the name contains a NUL byte"
        raise ConfigError("ca-file", f"cannot read the CA file `{path}` (from {place}): {why}") from None
    if b"CERTIFICATE-----" not in data:
        raise ConfigError("ca-file", f"the CA file `{path}` (from {place}) contains no certificate", CA_HINT)


def _supervisor_settings(settings: Settings) -> dict[str, str]:
    """Return the settings for the supervisor that are set, by the names of their options."""
    given: dict[str, str] = {}
    kill_after = seconds_of(settings.found("kill-after"), "kill-after")
    if kill_after is not None:
        given["kill-after"] = str(kill_after)
    if settings.flag("kill-leftovers"):
        if not IS_LINUX:
            raise ConfigError(
                "linux-only", "`--kill-leftovers` works on Linux only: other systems lose track of these processes",
                "end them in the command itself",
            )  # fmt: skip
        given["kill-leftovers"] = "1"
    signal_exit = settings.found("signal-exit")
    if signal_exit is not None:
        if signal_exit.value != "128":
            raise ConfigError("signal-exit", f"the value of signal-exit from {signal_exit.place} is not 128")
        given["signal-exit"] = "128"
    return given


def _assignments(options: Options) -> dict[str, str]:
    given = {}
    for text in options.lists.get("env", []):
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError("env", "`-e` needs NAME=VALUE", "write it like `-e DB_PASSWORD=bw://prod-db/password`")
        if is_bwrun_variable(name):
            raise UsageError(
                "env", f"`-e` cannot set {name}: bwrun keeps its credentials and settings from the command",
                f"use `--pass {name}` to leave that variable to the command",
            )  # fmt: skip
        given[name] = value
    return given


def _ssh_keys(options: Options, settings: Settings, sources: Sources) -> tuple[str, ...]:
    if options.mode in PRINTS_VALUES and settings.is_in_config_file("ssh-key"):
        return ()  # it is for the runs that have a command
    keys = lines_of(options, sources, "ssh-key")
    if keys and AGENT_VARIABLE in _assignments(options):
        pair = f"`--ssh-key` and `-e {AGENT_VARIABLE}=…`"
        raise UsageError("conflict", f"{pair} cannot be used together", "leave out one of them")
    return keys


def _session_switches(options: Options, settings: Settings, sources: Sources) -> frozenset[str]:
    """Return which of the switches that need a session of the whole vault are on."""
    names = () if options.mode in PRINTS_VALUES else ("session-api-key", "renew")
    given = list(filter(settings.flag, names))
    if not given:
        return frozenset()
    from bwrun.settings.session_switches import usable_switches  # noqa: PLC0415  (few runs use them)

    return usable_switches(given, settings, limited=bool(lines_of(options, sources, "only")))


def _passed(options: Options, sources: Sources) -> frozenset[str]:
    names = names_of(options, sources, "pass")
    for name in names:
        if not is_bwrun_variable(name) and name != SERVICE_DIRECTORY:
            raise UsageError(
                "pass", "`--pass` names a variable that bwrun does not keep from the command",
                "use `--pass` for BW_CLIENTID, BW_CLIENTSECRET, BW_PASSWORD, their _FILE forms, BWRUN_*"
                f" and {SERVICE_DIRECTORY}",
            )  # fmt: skip
    return names


def _clean_environment(options: Options, settings: Settings, sources: Sources, passed: frozenset[str]) -> None:
    """Take away, for --clean-env, the variables of the caller that the command shall not get."""
    if options.mode in PRINTS_VALUES or not settings.flag("clean-env"):
        if options.lists.get("keep"):
            hint = "without `--clean-env`, the command gets all variables"
            raise UsageError("conflict", "`--keep` can only be used with `--clean-env`", hint)
        return
    from bwrun.settings.clean_environment import check_kept, kept_variables  # noqa: PLC0415  (only for --clean-env)

    kept = names_of(options, sources, "keep")
    check_kept(kept)
    for_session = not settings.flag("no-session")
    sources.inherited = kept_variables(sources.environment, kept | passed, for_session=for_session)


def _password_options(options: Options) -> dict[str, str]:
    given = {name: value for name, value in options.values.items() if name.startswith("password-")}
    if len(given) > 1:
        together = " and ".join(f"`--{name}`" for name in given)
        raise UsageError("conflict", f"{together} cannot be used together", "leave out all but one of them")
    return given
