"""Tokens of another file, or of another query."""

from tests.support import der
from tests.support.query import NULL, Query, digest, imprint, imprint_of
from tests.vectors.keys import algorithm
from tests.vectors.tokens import DATA, POLICY, Token, TstInfo
from tests.vectors.vector import Vector, fails, proves, unjudged

GOOD = Token()


def _info(**fields: object) -> Token:
    return Token(info=TstInfo(**fields))


@fails(8)
def imprint_of_another_file() -> Vector:
    """A good token, held against a file with one octet changed."""
    return Vector(GOOD.response(), data=DATA.replace(b"quick", b"quack"))


@fails(8)
def imprint_of_an_empty_file() -> Vector:
    """A good token, held against an empty file."""
    return Vector(_info(imprint=imprint("sha256", digest("sha256", b"other"))).response(), data=b"\n")


@fails(8)
def imprint_too_short() -> Token:
    """A SHA-256 imprint of the first 20 octets of the right digest."""
    return _info(imprint=imprint("sha256", digest("sha256", DATA)[:20]))


@fails(8)
def imprint_too_long() -> Token:
    """A SHA-256 imprint of the right digest with a zero octet after it."""
    return _info(imprint=imprint("sha256", digest("sha256", DATA) + b"\0"))


@fails(8)
def imprint_of_nothing() -> Token:
    """A SHA-256 imprint of no octets."""
    return _info(imprint=imprint("sha256", b""))


@fails(8)
def imprint_of_another_algorithm() -> Token:
    """An imprint that says SHA-512 and holds the SHA-256 digest."""
    return _info(imprint=imprint("sha512", digest("sha256", DATA)))


@fails(8)
def imprint_md5() -> Token:
    """An MD5 imprint of the right file: anybody can make another file that has it."""
    return _info(imprint=imprint("md5", digest("md5", DATA)))


@fails(8)
def imprint_of_an_unknown_algorithm() -> Token:
    """An imprint by an algorithm that nobody knows."""
    return _info(imprint=imprint_of(algorithm("2.999.8"), bytes(32)))


@proves("SHA-1")
def imprint_sha1() -> Token:
    """A SHA-1 imprint of the right file."""
    return _info(imprint=imprint("sha1", digest("sha1", DATA)))


@proves()
def imprint_sha512() -> Token:
    """A SHA-512 imprint."""
    return _info(imprint=imprint("sha512", digest("sha512", DATA)))


@proves()
def imprint_sha3() -> Token:
    """A SHA3-256 imprint."""
    return _info(imprint=imprint("sha3-256", digest("sha3-256", DATA)))


@proves()
def imprint_with_null() -> Token:
    """A SHA-256 imprint whose AlgorithmIdentifier has NULL parameters."""
    return _info(imprint=imprint("sha256", digest("sha256", DATA), NULL))


ASKED = imprint("sha256", digest("sha256", DATA))
NONCE = 0x1234567890ABCDEF


def _query(*, nonce: int | None = NONCE, **fields: object) -> bytes:
    octets = None if nonce is None else der.read(der.integer(nonce)).contents
    return Query(**{"imprint": ASKED, "nonce": octets, **fields}).encode()


def _answered(query: bytes, **fields: object) -> Vector:
    return Vector(_info(**{"nonce": NONCE, **fields}).response(), query=query)


@proves()
def query_answered() -> Vector:
    """A query with nonce and certReq, and the token that answers it."""
    return _answered(_query())


@proves()
def query_policy_answered() -> Vector:
    """A query that asks for a policy, and gets it."""
    return _answered(_query(policy=POLICY))


@proves()
def query_with_null_parameters() -> Vector:
    """A query whose hash has NULL parameters, answered without them: the algorithm is the same (RFC 5754 2)."""
    return _answered(_query(imprint=imprint("sha256", digest("sha256", DATA), NULL)))


@fails(9)
def nonce_dropped() -> Vector:
    """The query has a nonce, the token has none."""
    return _answered(_query(), nonce=None)


@fails(9)
def nonce_of_another() -> Vector:
    """The token has another nonce than the query."""
    return _answered(_query(), nonce=NONCE + 1)


@fails(9)
def nonce_negated() -> Vector:
    """The token has the query's nonce with the sign changed."""
    return _answered(_query(), nonce=-NONCE)


@fails(9)
def nonce_added() -> Vector:
    """The query has no nonce, the token has one: it answers another query."""
    return _answered(_query(nonce=None))


@fails(9)
def policy_of_another() -> Vector:
    """The token is under another policy than the query asks for."""
    return _answered(_query(policy="2.999.3161.2"))


@fails(9)
def query_of_another_file() -> Vector:
    """The token covers the file, the query asked for another."""
    return _answered(_query(imprint=imprint("sha256", digest("sha256", b"other"))))


@fails(9)
def query_of_another_algorithm() -> Vector:
    """The query asked for SHA-512 of the file, the token has its SHA-256."""
    return _answered(_query(imprint=imprint("sha512", digest("sha512", DATA))))


@fails(9)
def certificates_not_asked_for() -> Vector:
    """certReq is absent, the token has certificates (RFC 3161 2.4.1: MUST NOT)."""
    return _answered(_query(cert_req=None))


@fails(9)
def certificates_left_out() -> Vector:
    """certReq is TRUE, the token has no certificates; they are given aside."""
    bare = GOOD.but(info=TstInfo(nonce=NONCE), certificates=())
    return Vector(bare.response(), query=_query(), certificates=GOOD.certificates)


@unjudged()
def query_damaged() -> Vector:
    """The query that the token is held against is cut off."""
    return _answered(_query()[:-4])
