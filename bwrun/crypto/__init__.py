"""
Bitwarden's cryptography, pure: no file, no network, no clock.

Nothing unauthenticated is opened, but for the one legacy form of a user key
that `keys` names.
"""
