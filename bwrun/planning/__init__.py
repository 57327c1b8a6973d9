"""
What a run has to do, decided before any prompt and any request; and a nested run that needs neither.

It sends nothing.
"""
