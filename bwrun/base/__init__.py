"""
What every room may use: errors and messages, secrets, time, files, JSON, and the operating system's calls.

It knows nothing of Bitwarden.
"""
