"""Tests of the installed program, run as a process."""
