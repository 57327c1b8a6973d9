"""Tests of `bwrun.masking`."""
