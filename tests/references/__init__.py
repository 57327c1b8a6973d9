"""Tests of the room `bwrun.references.grammar`."""
