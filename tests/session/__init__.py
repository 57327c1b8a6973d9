"""Tests of the room `bwrun.session`."""
