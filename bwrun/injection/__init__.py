"""
Finding the references of a run and resolving them to the variables and files that the command gets.

This room starts no process and writes no file.
"""
