"""The operator's tool for the compose stack's MinIO: accounts, backups, restores."""
