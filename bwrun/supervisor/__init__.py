"""
The processes that stay while the command runs: supervisor, janitor, canary.

Rule: standard library only, and nothing here may know of Bitwarden or a secret.
They are started with `python -I -S` and an environment without credentials.
"""
