"""The benchmarks, one module each: `measure(effort)` plays it and gives its rows of the table."""
