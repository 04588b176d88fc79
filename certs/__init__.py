"""X.509 in general: chains and paths, fitness and revocation, signatures, the development CA and the TSA's profile."""
