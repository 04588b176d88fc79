"""What may be stamped, and the stamping."""
