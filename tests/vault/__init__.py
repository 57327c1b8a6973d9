"""Tests of the room `bwrun.vault.vault`."""
