"""The report on a verification for people and programs: verdict, state of every step, meaning of a failure."""

from __future__ import annotations

from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tsa.verify.datum import Datum
from tsa.verify.proof import NotJudged, NotProved, Step, VerifiedTimestamp

if TYPE_CHECKING:
    from tsa.verify.verifier import Verifier

Report = dict[str, Any]


class Verdict(StrEnum):
    """The verdict on a token."""

    PROVED = "proved"
    NOT_PROVED = "not proved"
    NOT_JUDGED = "could not be judged"


# The meaning of a failure at a step; the last step, strength, can only warn.
MEANINGS = {
    Step.PARSE: "This is no time-stamp, or it was damaged: get the token again from where it was kept.",
    Step.STATUS: "The authority refused to stamp; this is its refusal, not a time-stamp.",
    Step.CONTENT: "What was signed is something else than a time-stamp.",
    Step.SIGNER: "It is not clear who answers for the time, so nobody does.",
    Step.CERTIFICATE: "Who signed cannot be told: the certificate is missing (give it beside the token), or another.",
    Step.ATTRIBUTES: "What the signature covers is not this content: the token was altered or badly made.",
    Step.SIGNATURE: "The token was altered after it was signed, or somebody else signed it.",
    Step.IMPRINT: "The token is for other data: the file was changed since, or the token belongs to another file.",
    Step.QUERY: "The token is genuine perhaps, but it is no answer to this request.",
    Step.EKU: "The certificate was not issued for time-stamping, so its holder was not trusted to tell the time.",
    Step.PATH: "None of the roots you trust answers for this authority at that time.",
    Step.REVOCATION: "The certificate was withdrawn, in a way that takes the proof from this token.",
}


def verify_to_report(verifier: Verifier, token: bytes, datum: Datum, query: bytes | None = None) -> Report:
    """Verify; every outcome is a Report. Raises OSError where the datum cannot be read."""
    try:
        return proved(verifier.verify(token, datum, query), query_given=query is not None)
    except NotProved as failure:
        return not_proved(failure, query_given=query is not None)
    except NotJudged as fault:
        return not_judged(str(fault))


def proved(found: VerifiedTimestamp, *, query_given: bool) -> Report:
    """The report on a proof."""
    return {
        "verdict": Verdict.PROVED,
        "steps": _steps(len(Step) + 1, query_given, revocation_judged=found.revocation_judged),
        "reason": None,
        "gen_time": found.gen_time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "accuracy_us": found.accuracy_us,
        "serial_number": f"{found.serial_number:x}",
        "policy": found.policy,
        "hash_algorithm": found.hash_algorithm,
        "imprint": found.imprint.hex(),
        "nonce": None if found.nonce is None else f"{found.nonce:x}",
        "tsa_name": found.tsa_name,
        "chain": [certificate.subject.rfc4514_string() for certificate in found.chain],
        "warnings": list(found.warnings),
    }


def not_proved(failure: NotProved, *, query_given: bool) -> Report:
    """The report on a failed step: its number, the reason and the meaning."""
    return {
        "verdict": Verdict.NOT_PROVED,
        "steps": _steps(failure.step, query_given),
        "reason": str(failure),
        "step": int(failure.step),
        "sentence": failure.sentence,
        "expected": failure.expected,
        "found": failure.found,
        "clause": failure.clause,
        "meaning": MEANINGS[failure.step],
    }


def not_judged(reason: str) -> Report:
    """The report on a verification without a verdict."""
    return {"verdict": Verdict.NOT_JUDGED, "steps": _steps(0, query_given=True), "reason": reason}


def _steps(failed: int, query_given: bool, *, revocation_judged: bool = True) -> list[Report]:
    """Every step with its state, where the step with the number `failed` did; 0: no step was reached."""
    passed = dict.fromkeys(Step, "passed")
    if not query_given:
        passed[Step.QUERY] = "not asked"
    if not revocation_judged:
        passed[Step.REVOCATION] = "not judged"
    return [
        {
            "step": int(step),
            "name": step.name.lower(),
            "title": step.title,
            "state": "failed" if step == failed else "not reached" if step > failed else passed[step],
        }
        for step in Step
    ]
