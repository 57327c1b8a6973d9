"""Completion scripts and man page: what makes them, and the tests that ask real shells for completions."""
