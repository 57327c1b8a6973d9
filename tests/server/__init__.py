"""A small Bitwarden-compatible server for tests: start it with `tests.server.control.BitwardenServer`."""
