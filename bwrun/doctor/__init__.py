"""
`--doctor`: the steps of a run, one by one, and what each of them finds, in words and without a secret.

It takes the steps with the functions that a run takes them with, so it finds what a run would.
"""
