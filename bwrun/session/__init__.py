"""
The session that the official CLI finds: writing it, and finding the one of an outer bwrun.

This room sends no requests.
"""
