"""Tests of the room `bwrun.credentials`."""
