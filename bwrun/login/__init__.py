"""
From an API key and a master password to an open vault: the login, the sync, the user key.

It knows neither variables nor the official CLI's session.
"""
