"""The one definition of the detector: architecture, weights file, pre- and post-processing.

Trainer (evaluation) and engine (serving) both use it. `preprocess` needs no torch; the rest does.
"""
