"""The report on a file and its evidence record, printed as a line or as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tsa.commands import visible
from tsa.commands.certificate_files import sentence_of
from tsa.commands.token_report import print_sum
from tsa.operate.evidence import Pair
from tsa.verify.evidence.record import BrokenEvidence
from tsa.verify.report import Report, Verdict

if TYPE_CHECKING:
    from tsa.verify.evidence.verifier import VerifiedEvidence


def proved(pair: Pair, evidence: VerifiedEvidence) -> Report:
    """The report on a file that is proved: since when, and until when."""
    return {
        **_head(pair, Verdict.PROVED),
        "since": _iso(evidence.since),
        "renew_before": _iso(evidence.renew_before),
        "timestamps": [
            {
                "gen_time": _iso(each.gen_time),
                "hash_algorithm": each.hash_algorithm,
                "serial_number": f"{each.serial_number:x}",
                "tsa_name": each.tsa_name,
            }
            for each in evidence.timestamps
        ],
        "warnings": list(evidence.warnings),
    }


def not_proved(pair: Pair, fault: BrokenEvidence) -> Report:
    """The report on a record that does not prove its file."""
    return {**_head(pair, Verdict.NOT_PROVED), "reason": str(fault), "clause": fault.clause}


def not_judged(pair: Pair, fault: Exception) -> Report:
    """The report where no verdict was reached."""
    return {**_head(pair, Verdict.NOT_JUDGED), "reason": sentence_of(fault)}


def tell(reports: list[Report], *, as_json: bool) -> None:
    """Print reports: one as a JSON object and many as an array, or a line each, and a sum under many."""
    if as_json:
        print(json.dumps(reports[0] if len(reports) == 1 else reports, indent=2))
        return
    for report in reports:
        print(visible(f"{report['file']}: {report['verdict']}{_said(report)}"))
    print_sum([report["verdict"] for report in reports])


def _head(pair: Pair, verdict: Verdict) -> Report:
    return {"file": str(pair.data), "record": str(pair.record), "verdict": verdict}


def _said(report: Report) -> str:
    if report["verdict"] != Verdict.PROVED:
        return f": {report['reason']}"
    renewals = len(report["timestamps"]) - 1
    renewed = f", renewed {renewals} time{'s' if renewals > 1 else ''}" if renewals else ""
    said = f" since {report['since']}{renewed}; renew before {report['renew_before']}"
    return "; ".join((said, *report["warnings"]))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
