"""How well Assay judges: `python -m bench.accuracy`."""
