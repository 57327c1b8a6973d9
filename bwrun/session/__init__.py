"""The session: what the official CLI finds when it runs inside the command."""
