"""Applications, their licences, and the stamps that are left of them. Nothing here knows RFC 3161."""
