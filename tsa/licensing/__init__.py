"""Applications, their licences, and what is left of them: knows nothing of RFC 3161."""
