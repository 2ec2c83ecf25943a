"""What every service of Assay has in common."""
