"""
The processes that run beside the command: supervisor, janitor, canary.

They use the standard library only, and know neither Bitwarden nor a secret. The exception is `renewal`, which keeps the
data for `--renew` without knowing what it means. They are started with `python -I -S` and without credentials in their
environment.
"""
