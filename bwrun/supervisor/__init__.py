"""
The processes that stay while the command runs: supervisor, janitor, canary.

Rule: standard library only, and nothing here knows of Bitwarden or a secret (but
`renewal`, which keeps words for `--renew` without knowing what they mean).
They are started with `python -I -S` and an environment without credentials.
"""
