"""Helpers: short processes that the supervisor starts for work that needs modules which it must not import."""
