"""The contents of a token and its proof.

Tokens are read by code of its own, in strict DER (certs/der.py), so that it checks the code that writes them. Both use
the table of algorithms (signer/algorithms.py).
"""
