"""
What runs leave for later runs of the same user: sealed vaults, and when a server will take requests again.

Nothing in it is trusted before it is checked, and nothing that is wrong with it is an error of a run. This room knows
files and how they are sealed. It knows no request, and does not know what a vault looks like.
"""
