"""Servers to compare with, each a program: `python -m benchmarks.contenders.<name>`."""
