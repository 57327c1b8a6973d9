"""The output of `--check` and `--list`: names of variables, items and fields, never values."""
