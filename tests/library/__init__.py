"""Tests of what `from bwrun import …` offers."""
