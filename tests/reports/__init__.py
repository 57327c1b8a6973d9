"""Tests of the room `bwrun.reports`."""
