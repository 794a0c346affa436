"""Benchmarks: both sides in one process, alternating, medians of pairwise ratios."""
