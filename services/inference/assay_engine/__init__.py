"""The engine: many brands' detectors in one process."""
