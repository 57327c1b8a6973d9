"""Tests of the room `system`: what differs between Linux and other systems."""
