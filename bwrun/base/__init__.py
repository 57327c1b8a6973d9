"""
What all other rooms use: errors, messages, secrets, deadlines, files, JSON, URLs, threads, calls to the system.

It knows nothing of Bitwarden.

Many modules here begin with `TYPE_CHECKING = False` instead of importing it: `typing` takes 10 ms to import, and the
launcher, the supervisor and a nested run do without it.
"""
