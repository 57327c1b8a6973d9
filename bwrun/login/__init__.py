"""
Logging in with an API key, fetching the vault, and unlocking it with the master password or a Key Connector.

This room knows neither the command's variables nor the session of the official CLI.
"""
