"""
What runs leave for later runs of the same user: when a server will take requests again.

Nothing in it is trusted before it is checked, and nothing that is wrong with it is an error of a run.
"""
