"""Where the time comes from: each source measures how far this machine's clock may be from UTC, and trusts no other."""
