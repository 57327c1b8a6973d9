"""bwrun: run a command with an unlocked Bitwarden session, and leave nothing behind."""

__version__ = "0.1.0"
