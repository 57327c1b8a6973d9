"""Tests of the room `bwrun.injection`."""
