"""The names of the options, by how they are written, and of what bwrun does instead of a run."""

RUN, CHECK, LIST, PRINT_USER_KEY = "run", "check", "list", "print-user-key"  # these and the next: of Options.mode
GET, EXPORT = "get", "export"
LOGIN, LOGOUT, DOCTOR, COMPLETION = "login", "logout", "doctor", "completion"
ALONE = ("clean", PRINT_USER_KEY, LOGIN, LOGOUT, COMPLETION)  # these take neither a command nor --json
PRINTS_VALUES = (GET, EXPORT)  # these open no session

# What a gateway in front of the server may require.
GATEWAY_OPTIONS = ("client-cert", "client-key", "client-key-password-file", "header-file")
# Each of these options can also be set by a variable: `--long-option VALUE` by BWRUN_LONG_OPTION.
VALUE_OPTIONS = (
    "profile",
    "server",
    "identity-url",
    "api-url",
    "key-connector-url",
    "ca-file",
    *GATEWAY_OPTIONS,
    "password-file",
    "password-fd",
    "password-command",
    "clientsecret-command",
    "timeout",
    "jitter",
    "cache",
    "max-age",
    "offline",
    "kill-after",
    "signal-exit",
    "mask",
)  # fmt: skip
LIST_OPTIONS = ("env-file", "pass", "optional", "item", "template", "ssh-key", "only", "keep")
FLAG_OPTIONS = (
    "no-session",
    "clean-env",
    "session-api-key",
    "renew",
    "kill-leftovers",
    "allow-protected",
    "allow-costly-kdf",
    "timings",
    "verbose",
)


# The values of options that may be given without one: their values stand after `=`.
DEFAULT_VALUES = {"cache": "on", "offline": "auto", "mask": "on"}
FLAG_LETTERS = frozenset("vhV")
SHORT_OPTIONS = {"-e": "env", "-v": "verbose"}
