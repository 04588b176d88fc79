"""X.509: the development CA, the TSA certificate profile and its request, chains, and the fitness of a certificate."""
