"""How fast this is, beside what one would use instead, in one run on one machine: `python -m benchmarks`."""
