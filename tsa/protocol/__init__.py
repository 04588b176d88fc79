"""What the bytes mean: RFC 3161 and CMS in DER. No sockets, no clock, no randomness, nothing of ours imported."""
