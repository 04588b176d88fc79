"""What may be stamped, and the stamping: intake → issue."""
