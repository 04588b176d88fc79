"""Our verifier on a vector: its verdict in the words of INDEX.md."""

from cryptography import x509

from tests.vectors.vector import NOT_JUDGED, Vector
from tsa.verify.datum import OctetsDatum
from tsa.verify.proof import NotJudged, NotProved, VerifiedTimestamp
from tsa.verify.verifier import Verifier


def verifier_for(vector: Vector) -> Verifier:
    """A verifier with what the vector has beside its token; raises NotJudged."""
    anchors, others = (
        [x509.load_der_x509_certificate(each) for each in group] for group in (vector.anchors, vector.certificates)
    )
    return Verifier(anchors, certificates=others, crls=vector.crls, ocsps=vector.ocsps)


def proof_of(vector: Vector) -> VerifiedTimestamp:
    """What the vector proves; raises NotProved or NotJudged."""
    return verifier_for(vector).verify(vector.token, OctetsDatum(vector.data), vector.query)


def verdict_on(vector: Vector) -> str:
    """The verdict; the warnings of a proof are after it."""
    try:
        proof = proof_of(vector)
    except NotProved as failure:
        return _with_its_facts(failure)
    except NotJudged as failure:
        return NOT_JUDGED if str(failure).endswith(".") else f"not a sentence: {failure}"
    return f"proved, with a warning: {' '.join(proof.warnings)}" if proof.warnings else "proved"


def _with_its_facts(failure: NotProved) -> str:
    assert str(failure).startswith(f"Step {failure.step:d} (")
    assert all((failure.expected, failure.found, failure.clause)), f"a failure without its facts: {failure}"
    return f"not proved, step {failure.step:d}"
