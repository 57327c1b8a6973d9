"""What a run costs in time and memory, beside what it could cost at least: `make bench`, `make bench-libraries`."""
