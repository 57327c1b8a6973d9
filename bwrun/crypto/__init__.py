"""
Bitwarden's cryptography, without files, network and clock.

It decrypts only what is authenticated.  The one exception is an old form of the user key, which `account_keys` names.
"""
