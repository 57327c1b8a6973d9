"""Tests of the room `bwrun.command.finding`."""
