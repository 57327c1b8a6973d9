"""
The user's command: where its file is, which environment it gets, and how this process becomes it.

It knows nothing of Bitwarden.
"""
