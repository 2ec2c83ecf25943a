"""The registry: system of record and control plane, the only owner of SQL."""
