"""
What a run has to do, decided before any prompt and any request.

It sends nothing, and sees no secret.
"""
