"""Ingest: from a raw upload to a sanitised, recorded image."""
