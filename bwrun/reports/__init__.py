"""
What bwrun prints when it runs no command: `--check` and `--list`.

It shows names, never values.
"""
