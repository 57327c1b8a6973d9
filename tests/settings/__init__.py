"""Tests of the room `bwrun.settings`."""
