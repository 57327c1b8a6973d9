"""Tests of bwrun.cache."""
