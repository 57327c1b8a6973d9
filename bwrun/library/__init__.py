"""
What `from bwrun import …` offers to other programs: `open_vault()`, `open_session()` and what belongs to them.

The errors are those of `bwrun.base.errors`. docs/library.md says how all of it is used.
"""
