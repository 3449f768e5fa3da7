"""Measurements of netgen beside its peers, each pair in one run: ``python -m benchmarks``."""
