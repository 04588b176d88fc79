"""Evidence that outlasts certificates and algorithms: the EvidenceRecord of RFC 4998. Nothing here asks a network."""
