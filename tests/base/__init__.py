"""Tests of the room `bwrun.base`."""
