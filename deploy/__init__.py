"""Ways to run Assay."""
