"""The trainer: from a dataset version to a packaged model version."""
