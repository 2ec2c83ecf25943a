"""Assay without Docker: the embedded stack, its demo, and what builds the tests' parts."""
