"""Tokens of another file, or of another query."""

from dataclasses import replace

from tests.support import der
from tests.support.query import NULL, Query, digest, imprint, imprint_of
from tests.vectors.keys import algorithm
from tests.vectors.tokens import DATA, POLICY, Token, TstInfo
from tests.vectors.vector import Vector, fails, proves, unjudged

GOOD = Token()


@fails(8)
def imprint_of_another_file() -> Vector:
    """A good token, held against a file with one octet changed."""
    return Vector(GOOD.response(), data=DATA.replace(b"quick", b"quack"))


@fails(8)
def imprint_of_an_empty_file() -> Vector:
    """A good token, held against an empty file."""
    return Vector(Token(TstInfo(imprint=imprint("sha256", digest("sha256", b"other")))).response(), data=b"\n")


@fails(8)
def imprint_too_short() -> Token:
    """A SHA-256 imprint of the first 20 octets of the right digest."""
    return Token(TstInfo(imprint=imprint("sha256", digest("sha256", DATA)[:20])))


@fails(8)
def imprint_too_long() -> Token:
    """A SHA-256 imprint of the right digest with a zero octet after it."""
    return Token(TstInfo(imprint=imprint("sha256", digest("sha256", DATA) + b"\0")))


@fails(8)
def imprint_of_nothing() -> Token:
    """A SHA-256 imprint of no octets."""
    return Token(TstInfo(imprint=imprint("sha256", b"")))


@fails(8)
def imprint_of_another_algorithm() -> Token:
    """An imprint that says SHA-512 and holds the SHA-256 digest."""
    return Token(TstInfo(imprint=imprint("sha512", digest("sha256", DATA))))


@fails(8)
def imprint_md5() -> Token:
    """An MD5 imprint of the right file: anybody can make another file with the same digest."""
    return Token(TstInfo(imprint=imprint("md5", digest("md5", DATA))))


@fails(8)
def imprint_of_an_unknown_algorithm() -> Token:
    """An imprint by an unknown algorithm."""
    return Token(TstInfo(imprint=imprint_of(algorithm("2.999.8"), bytes(32))))


@proves("SHA-1")
def imprint_sha1() -> Token:
    """A SHA-1 imprint of the right file."""
    return Token(TstInfo(imprint=imprint("sha1", digest("sha1", DATA))))


@proves()
def imprint_sha512() -> Token:
    """A SHA-512 imprint."""
    return Token(TstInfo(imprint=imprint("sha512", digest("sha512", DATA))))


@proves()
def imprint_sha3() -> Token:
    """A SHA3-256 imprint."""
    return Token(TstInfo(imprint=imprint("sha3-256", digest("sha3-256", DATA))))


@proves()
def imprint_with_null() -> Token:
    """A SHA-256 imprint whose AlgorithmIdentifier has NULL parameters."""
    return Token(TstInfo(imprint=imprint("sha256", digest("sha256", DATA), NULL)))


ASKED = imprint("sha256", digest("sha256", DATA))
NONCE = 0x1234567890ABCDEF


QUERY = Query(imprint=ASKED, nonce=der.read(der.integer(NONCE)).contents)


def _answered(query: Query = QUERY, *, nonce: int | None = NONCE) -> Vector:
    """A token with that nonce, held against a query."""
    return Vector(Token(TstInfo(nonce=nonce)).response(), query=query.encode())


@proves()
def query_answered() -> Vector:
    """A query with nonce and certReq, and the token that answers it."""
    return _answered()


@proves()
def query_policy_answered() -> Vector:
    """A query that asks for a policy, and gets it."""
    return _answered(replace(QUERY, policy=POLICY))


@proves()
def query_with_null_parameters() -> Vector:
    """A query whose hash has NULL parameters, and an answer without them: the algorithm is the same (RFC 5754 2)."""
    return _answered(replace(QUERY, imprint=imprint("sha256", digest("sha256", DATA), NULL)))


@fails(9)
def nonce_dropped() -> Vector:
    """The query has a nonce, the token has none."""
    return _answered(nonce=None)


@fails(9)
def nonce_of_another() -> Vector:
    """The token has another nonce than the query."""
    return _answered(nonce=NONCE + 1)


@fails(9)
def nonce_negated() -> Vector:
    """The token has the query's nonce with the sign changed."""
    return _answered(nonce=-NONCE)


@fails(9)
def nonce_added() -> Vector:
    """The query has no nonce, the token has one: it answers another query."""
    return _answered(replace(QUERY, nonce=None))


@fails(9)
def policy_of_another() -> Vector:
    """The token is under another policy than the query asks for."""
    return _answered(replace(QUERY, policy="2.999.3161.2"))


@fails(9)
def query_of_another_file() -> Vector:
    """The token covers the file, the query asked for another."""
    return _answered(replace(QUERY, imprint=imprint("sha256", digest("sha256", b"other"))))


@fails(9)
def query_of_another_algorithm() -> Vector:
    """The query asked for SHA-512 of the file, the token has its SHA-256."""
    return _answered(replace(QUERY, imprint=imprint("sha512", digest("sha512", DATA))))


@fails(9)
def certificates_not_asked_for() -> Vector:
    """certReq is absent, the token has certificates (RFC 3161 2.4.1: MUST NOT)."""
    return _answered(replace(QUERY, cert_req=None))


@fails(9)
def certificates_left_out() -> Vector:
    """certReq is TRUE, the token has no certificates; they are given aside."""
    bare = replace(GOOD, info=TstInfo(nonce=NONCE), certificates=())
    return Vector(bare.response(), query=QUERY.encode(), certificates=GOOD.certificates)


@unjudged()
def query_damaged() -> Vector:
    """A query without its last octets."""
    return replace(_answered(), query=QUERY.encode()[:-4])
