"""Hypothesis strategies: TimeStampReqs of every shape, and octets of many that are none."""

from hypothesis import strategies as st

from tests.support import der as by_hand
from tsa.protocol import der, tsp
from tsa.protocol.oids import HASHES
from tsa.protocol.tsp import TimeStampReq

arcs = st.one_of(st.integers(0, 300), st.integers(0, 2**128))


@st.composite
def oids(draw: st.DrawFn) -> str:
    """A dotted object identifier; X.660 allows second arcs up to 39 below 0 and 1, and any below 2."""
    first = draw(st.integers(0, 2))
    second = draw(arcs if first == 2 else st.integers(0, 39))
    return ".".join(map(str, (first, second, *draw(st.lists(arcs, max_size=6)))))


def nonces(max_octets: int = tsp.MAX_NONCE_OCTETS) -> st.SearchStrategy[int]:
    """Integers of either sign whose two's complement has from one to `max_octets` octets."""
    sizes = st.integers(1, max_octets)
    return sizes.flatmap(lambda size: st.integers(-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1))


@st.composite
def requests(draw: st.DrawFn) -> TimeStampReq:
    """Any TimeStampReq that can be decoded."""
    algorithm = draw(st.sampled_from(list(HASHES.values())))
    digest = draw(st.binary(min_size=algorithm.digest_size, max_size=algorithm.digest_size))
    return TimeStampReq(
        message_imprint=tsp.message_imprint(algorithm, digest, null_parameters=draw(st.booleans())),
        hash_algorithm=algorithm,
        req_policy=draw(st.one_of(st.just(b""), oids().map(der.oid))),
        nonce=draw(st.one_of(st.just(b""), nonces().map(der.integer))),
        cert_req=draw(st.booleans()),
        extensions=tuple(draw(st.lists(oids(), max_size=4))),
    )


tags = st.sampled_from([0x01, 0x02, 0x04, 0x05, 0x06, 0x18, 0x30, 0x31, 0x80, 0xA0, 0xA1])
elements = st.recursive(
    st.builds(by_hand.tlv, tags, st.binary(max_size=40)),
    lambda inner: st.lists(inner, max_size=5).flatmap(lambda parts: tags.map(lambda tag: by_hand.tlv(tag, *parts))),
    max_leaves=12,
)


@st.composite
def damaged_requests(draw: st.DrawFn) -> bytes:
    """An encoded TimeStampReq with a stretch of it replaced by other octets."""
    octets = tsp.encode_request(draw(requests()))
    at = draw(st.integers(0, len(octets)))
    cut = draw(st.integers(0, 4))
    return octets[:at] + draw(st.binary(max_size=4)) + octets[at + cut :]


octets = st.one_of(st.binary(max_size=300), elements, damaged_requests())
