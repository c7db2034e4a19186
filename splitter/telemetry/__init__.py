"""Counters and histograms in shared memory, and what is read from them."""
