"""A fleet of hosts that start bwrun in the same second, simulated: `python -m tests.fleet`."""
