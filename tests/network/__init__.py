"""Tests of the room `bwrun.network.routing`."""
