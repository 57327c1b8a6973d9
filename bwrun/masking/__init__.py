"""
Masking: what a run injected does not show in the output of its command.

`forms`, `finding` and `stream` are pure: bytes in, bytes out. The others run them in a process of its own, between the
command and the caller's stdout and stderr.
"""
