"""Tests of the room `bwrun.crypto`."""
