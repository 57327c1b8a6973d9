"""The text of `--help`."""

HELP = """\
Usage: bwrun [OPTIONS] -- COMMAND [ARG]...
Run COMMAND with an unlocked Bitwarden session, which is removed when it ends.
A variable whose value is a reference, bw://ITEM/FIELD, is set to the secret.

Values (all but the last can be repeated):
  -e, --env NAME=VALUE    Set a variable; NAME=@bw://… sets the path of a file
      --item ITEM         Set a variable for each custom field of ITEM
      --template IN:OUT   Fill in the references in a copy of IN, at $OUT
      --env-file FILE, --optional NAME   Read FILE, not .env; allow no NAME
      --allow-protected   Use items with master password re-prompt too
Server and login:
      --profile NAME      Use [profile.NAME] of ~/.config/bwrun/config.toml
      --server us|eu|gov|URL, --identity-url URL, --api-url URL, --ca-file FILE
      --key-connector-url URL, --allow-costly-kdf, --header-file FILE
      --client-cert FILE, --client-key FILE, --client-key-password-file FILE
      --password-file FILE, --password-fd N, --password-command CMD
      --clientsecret-command CMD, --pass NAME   Let COMMAND see variable NAME
      --timeout SECONDS, --jitter SECONDS   Limit (60), random wait at first
      --cache[=TIME], --max-age SECONDS, --offline[=auto|always]   Log in less
Session and command:
      --only SELECTOR     Limit the session to ITEM or ?folder=NAME (repeatable)
      --ssh-key ITEM      Start an ssh-agent with this SSH key (repeatable)
      --no-session        Resolve references, but open no session
      --clean-env, --keep NAME   Leave it PATH, HOME, TERM, LANG, NAME, no more
      --session-api-key, --renew   Let bw sync -f and long jobs renew the token
      --kill-after SECONDS, --kill-leftovers, --signal-exit 128   How to end
      --mask[=stdout|=stderr]   Conceal injected values in what it prints
  -v, --verbose           Print each step; --timings: how long each phase took
Instead of a run (--doctor, --check and --list take --json as well):
  -h, --help, -V, --version, --completion bash|zsh|fish
      --login, --logout   Keep credentials for all later runs; remove them
      --doctor            Look, step by step, whether a run would work
      --check [-- COMMAND]   Show which variables a run would set, no values
      --list [WORD]...    List the items that match all words
      --get REFERENCE...  Print the value of each reference, one a line
      --export dotenv|shell|json|docker|github-env   Print what a run would set
      --clean             Remove caches, known waits, sessions of killed runs
      --print-user-key    Ask, then print the key that BWRUN_USER_KEY takes
Environment: BW_CLIENTID, BW_CLIENTSECRET, BW_PASSWORD (or NAME_FILE), BWRUN_*
Exit status: COMMAND's own; 125 bwrun failed; 126 cannot run it; 127 not found
"""
