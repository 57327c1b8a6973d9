"""Tests of the room `bwrun.login`."""
