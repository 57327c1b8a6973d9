"""
What becomes a variable or a file of the command: which references the run has, and their values.

It starts nothing and writes nothing.
"""
