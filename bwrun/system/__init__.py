"""What bwrun asks of the operating system, in two halves: one for Linux, and a portable one for all other systems."""
