"""How the authority is reached: HTTP, on one port."""
