"""Measurements of splitter. README.md says how to run and how to read them."""
