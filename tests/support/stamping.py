"""An `Authority` is a running server with the certificates its answers are judged by."""

from dataclasses import replace
from typing import Unpack

from cryptography import x509

from tests.support import query as queries
from tests.support.http import Answer, Connection
from tests.support.query import Parts, Query
from tests.support.server import Server
from tests.support.token import Token, granted


class Authority:
    """A server, its TSA certificate, and the chain that a request with certReq gets."""

    def __init__(self, server: Server) -> None:
        self.server = server
        chain = x509.load_pem_x509_certificates(server.tsa_pem.read_bytes())
        self.certificate = chain[0]
        self.chain = [each for each in chain if each.issuer != each.subject]

    def connect(self, via: str = "lane", timeout: float = 20.0) -> Connection:
        """A fresh connection ("lane"), or one that has already served a GET ("aiohttp")."""
        connection = self.server.connect(timeout)
        if via == "aiohttp":
            answer = connection.get("/healthz")
            assert answer.status == 200, answer
        return connection

    def judge(self, answer: Answer, query: Query) -> Token:
        """The token of a grant, checked in every point."""
        return granted(answer, query, self.certificate, self.chain)

    def stamp(self, connection: Connection, query: Query | None = None, path: str = "/") -> Token:
        """Ask for a token on *connection* and judge it; a good request of default parts when none is given."""
        query = query or Query()
        return self.judge(connection.post(query.encode(), path), query)


def query_for(data: bytes, name: str = "sha256", **parts: Unpack[Parts]) -> Query:
    """A query for the digest of *data*."""
    return replace(Query(imprint=queries.imprint(name, queries.digest(name, data))), **parts)
