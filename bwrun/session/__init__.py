"""
What the official CLI finds: the files of a session, and the session of a bwrun around this one.

It sends no request.
"""
