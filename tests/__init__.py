"""Tests, and the server they run against."""
