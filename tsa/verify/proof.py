"""The results of a verification: a proof, or an error that names the step that failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from cryptography import x509


class Step(IntEnum):
    """The steps of a verification, in their order; tsa/verify/verifier.py lists their rules."""

    PARSE = 1
    STATUS = 2
    CONTENT = 3
    SIGNER = 4
    CERTIFICATE = 5
    ATTRIBUTES = 6
    SIGNATURE = 7
    IMPRINT = 8
    QUERY = 9
    EKU = 10
    PATH = 11
    REVOCATION = 12
    STRENGTH = 13

    @property
    def title(self) -> str:
        """The step in a few words, such as "signer certificate"."""
        return _TITLES[self]


_TITLES = {
    Step.PARSE: "parse",
    Step.STATUS: "status",
    Step.CONTENT: "content",
    Step.SIGNER: "one signer",
    Step.CERTIFICATE: "signer certificate",
    Step.ATTRIBUTES: "signed attributes",
    Step.SIGNATURE: "signature",
    Step.IMPRINT: "imprint",
    Step.QUERY: "query",
    Step.EKU: "key usage",
    Step.PATH: "path at genTime",
    Step.REVOCATION: "revocation",
    Step.STRENGTH: "strength of algorithms",
}


class NotProved(Exception):
    """The token does not prove the datum: `step` failed, because `clause` asks for `expected`.

    `expected` and `found` are short phrases, `clause` names the standard, such as "RFC 3161 2.4.2"; `str()` puts all
    of them on one line.
    """

    def __init__(self, step: Step, sentence: str, *, expected: str, found: str, clause: str) -> None:
        super().__init__(f"Step {step:d} ({step.title}): {sentence} Expected {expected}, found {found} ({clause}).")
        self.step = step
        self.sentence = sentence
        self.expected = expected
        self.found = found
        self.clause = clause


class NotJudged(Exception):
    """An argument beside the token cannot be used, so there is no verdict; the text says what to do."""


@dataclass(frozen=True, slots=True)
class VerifiedTimestamp:
    """The proof that the datum of this `imprint` existed at `gen_time` (UTC), give or take `accuracy_us` (µs).

    `accuracy_us` and `nonce` are None where the token has none. `policy` is dotted, `hash_algorithm` a hashlib name,
    `tsa_name` the subject of the signer's certificate (RFC 4514). `chain` has that certificate first and the anchor
    last; `revocation_judged` tells whether every certificate but the anchor has its status from a CRL or an OCSP
    response. `warnings` are sentences on facts that weaken the proof without ending it.
    """

    gen_time: datetime
    accuracy_us: int | None
    serial_number: int
    policy: str
    hash_algorithm: str
    imprint: bytes
    nonce: int | None
    tsa_name: str
    chain: tuple[x509.Certificate, ...]
    revocation_judged: bool
    warnings: tuple[str, ...]
