"""Simulated children, for demonstrations, tests and benchmarks."""
