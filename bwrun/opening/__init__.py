"""
From the settings to an open vault: the steps that a run and the library share.

This room knows their order. It neither starts a process nor ends one, and what it opens it can close again.
"""
