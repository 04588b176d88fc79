"""100,000 damaged requests, straight to the authority: each gets a TimeStampResp, and nothing else is ever raised.

For speed, a list stands in for the ledger; tests/protocol/test_fuzz_server.py sends as many to a server that has one.
"""

import pytest
from asn1crypto import tsp as asn1_tsp

from tests.support.counts import times
from tests.support.mutations import GOOD, check_response, mutations
from tests.support.units import Asked, ListLedger, asked, authority
from tsa.protocol.errors import Refusal
from tsa.protocol.tsp import encode_refusal

COUNT = times(100_000)
BATCH = 128


@pytest.mark.long
async def test_damaged_requests_are_refused_or_stamped() -> None:
    ledger = ListLedger()
    fuzzed = authority(ledger=ledger)
    batch: list[tuple[bytes, Asked]] = []
    refused = granted = 0
    for number, octets in enumerate(mutations(GOOD, seed=3161, count=COUNT)):
        try:
            batch.append((octets, asked(fuzzed, octets)))
        except Refusal as refusal:
            answered = encode_refusal(refusal)
            refused += not check_response(answered, octets)
        if len(batch) == BATCH or number == COUNT - 1:
            for (request, _), answer in zip(batch, await fuzzed.issue([job for _, job in batch]), strict=True):
                assert isinstance(answer, bytes), answer
                assert check_response(answer, request)
                if granted % 500 == 0:
                    assert asn1_tsp.TimeStampResp.load(answer, strict=True).native
                granted += 1
            batch.clear()
    assert refused + granted == COUNT
    assert len(ledger.entries) == granted
    assert min(refused, granted) > COUNT // 10
