"""Tests of single modules, against data of other people's code."""
