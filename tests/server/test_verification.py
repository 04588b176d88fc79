"""POST /verify: the verdict with its steps, limits on all that comes in, and stamping that goes on beside it."""

import base64
import json
from typing import Any

import pytest

from tests.support.elsewhere import Elsewhere
from tests.support.http import Answer, chunked, post_bytes
from tests.support.query import Query
from tests.support.stamping import Authority, query_for
from tests.vectors.parties import ISSUING, ROOT
from tests.vectors.tokens import DATA as TOKEN_DATA
from tests.vectors.tokens import Token
from tests.vectors.vector import pem
from tsa.server.verification import BODY_LIMIT, MAX_PARTS

DATA = b"the contract"
BOUNDARY = "a-boundary"


@pytest.fixture(scope="module")
def token(authority: Authority) -> tuple[bytes, Query]:
    """A TimeStampResp for DATA, and what it answers."""
    query = query_for(DATA)
    with authority.connect() as connection:
        return connection.post(query.encode()).body, query


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    return Elsewhere(tmp_path_factory.mktemp("elsewhere"))


def text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def json_bytes(fields: object, headers: tuple[str, ...] = ()) -> bytes:
    """The request with these fields as JSON."""
    return post_bytes(json.dumps(fields).encode(), "/verify", content_type="application/json", headers=headers)


def form(*parts: tuple[str, bytes], filename: str | None = "f", end: bytes = b"--") -> bytes:
    """The body of a form."""
    named = f'; filename="{filename}"' if filename is not None else ""
    body = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + value + b"\r\n"
        for name, value in parts
    )
    return body + f"--{BOUNDARY}".encode() + end + b"\r\n"


def form_bytes(body: bytes, boundary: str = BOUNDARY) -> bytes:
    return post_bytes(body, "/verify", content_type=f"multipart/form-data; boundary={boundary}")


def judged(answer: Answer) -> dict[str, Any]:
    """The report in a good answer."""
    assert answer.status == 200, answer
    assert (answer.header("content-type") or "").startswith("application/json")
    found: dict[str, Any] = json.loads(answer.body)
    return found


def refused(answer: Answer, status: int) -> str:
    """The sentence of an error."""
    assert answer.status == status, answer
    assert (answer.header("content-type") or "").startswith("application/json")
    said = json.loads(answer.body)
    assert list(said) == ["error"]
    assert said["error"].endswith(".")
    return str(said["error"])


def test_proved_as_json_and_as_a_form(authority: Authority, token: tuple[bytes, Query]) -> None:
    """The same report for data and for its digest, in JSON and in a form; on one connection."""
    response, query = token
    digest = query.imprint[-32:].hex()
    with authority.connect() as connection:
        reports = [
            judged(connection.ask(octets))
            for octets in (
                json_bytes({"token": text(response), "digest": digest}),
                json_bytes({"token": text(text(response).encode()), "data": text(DATA), "query": None}),
                form_bytes(form(("token", response), ("data", DATA))),
                form_bytes(form(("digest", digest.upper().encode()), ("token", text(response).encode()))),
            )
        ]
        asked = judged(connection.ask(form_bytes(form(("token", response), ("data", DATA), ("query", query.encode())))))
    assert reports[1:] == reports[:1] * 3
    report = reports[0]
    assert (report["verdict"], report["reason"], report["imprint"]) == ("proved", None, digest)
    assert [step["name"] for step in report["steps"]][:3] == ["parse", "status", "content"]
    passed = ["passed"] * 8
    assert [step["state"] for step in report["steps"]] == [*passed, "not asked", *passed[:2], "not judged", "passed"]
    assert report["chain"][0] == report["tsa_name"] == authority.certificate.subject.rfc4514_string()
    assert asked["steps"][8]["state"] == "passed"


def test_not_proved(authority: Authority, token: tuple[bytes, Query]) -> None:
    with authority.connect() as connection:
        report = judged(connection.ask(json_bytes({"token": text(token[0]), "data": text(b"other")})))
        assert (report["verdict"], report["step"], report["clause"]) == ("not proved", 8, "RFC 3161 2.4.1")
        for garbage in (b"", b"garbage", b"\x30\x80" * 5000, b"\x30" * 100_000):
            report = judged(connection.ask(form_bytes(form(("token", garbage), ("data", DATA)))))
            assert (report["verdict"], report["step"]) == ("not proved", 1)


def test_a_token_from_elsewhere(authority: Authority, elsewhere: Elsewhere) -> None:
    """By its own root, sent along as PEM; and by what its CRL says."""
    file = elsewhere.folder / "document"
    file.write_bytes(DATA)
    fields: dict[str, Any] = {"token": text(elsewhere.stamp(file).read_bytes()), "data": text(DATA)}
    with authority.connect() as connection:
        assert judged(connection.ask(json_bytes(fields)))["step"] == 11
        fields["ca"] = elsewhere.ca.read_text()
        assert judged(connection.ask(json_bytes(fields)))["verdict"] == "proved"
        crls = [text(elsewhere.revoke().read_bytes())]
        assert judged(connection.ask(json_bytes({**fields, "crl": crls})))["step"] == 12
        parts = [("token", base64.b64decode(fields["token"])), ("data", DATA), ("ca", elsewhere.ca.read_bytes())]
        crl = ("crl", elsewhere.revoke().read_bytes())
        assert judged(connection.ask(form_bytes(form(*parts, crl, crl))))["step"] == 12
        for name in ("ca", "crl", "query"):
            garbage = {**fields, name: "bm90aGluZw=="}
            report = judged(connection.ask(json_bytes(garbage)))
            assert report["verdict"] == "could not be judged"
            assert report["reason"].endswith(".")


def test_names_without_quotation_marks(authority: Authority, token: tuple[bytes, Query]) -> None:
    """As some clients write the parameters of a part that need none (RFC 2045 5.1)."""
    body = form(("token", token[0]), ("data", DATA), filename=None)
    plain = body.replace(b'name="token"', b"name=token").replace(b'name="data"', b"filename=x; name=data")
    with authority.connect() as connection:
        assert judged(connection.ask(form_bytes(plain)))["verdict"] == "proved"


def test_an_odd_certificate_is_not_for_the_log(authority: Authority) -> None:
    """What a library thinks of serialNumber 0 is not printed between the lines of the log."""
    party = ISSUING.issue("Odd", serial=0)
    response = Token(party=party, certificates=(party.certificate, ISSUING.certificate)).response()
    parts = (("token", response), ("data", TOKEN_DATA), ("ca", pem((ROOT.certificate,))))
    with authority.connect() as connection:
        assert judged(connection.ask(form_bytes(form(*parts))))["verdict"] == "proved"
    assert "Warning" not in authority.server.log_text()


def test_an_empty_choice_in_a_form_is_none(authority: Authority, token: tuple[bytes, Query]) -> None:
    """A browser sends what was not chosen as a file without name or content; an empty file is a file."""
    boundary = f"--{BOUNDARY}--\r\n".encode()
    chosen = form(("token", token[0]), ("data", DATA)).removesuffix(boundary)
    with authority.connect() as connection:
        report = judged(connection.ask(form_bytes(chosen + form(("query", b""), ("ca", b""), filename=""))))
        assert report["verdict"] == "proved"
        assert judged(connection.ask(form_bytes(form(("token", token[0]), ("data", b"")))))["step"] == 8


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([], "object"),
        ("text", "object"),
        ({"digest": "00"}, "token"),
        ({"token": "MAA="}, "data or its digest"),
        ({"token": "MAA=", "digest": "00", "data": "MAA="}, "data or its digest"),
        ({"token": "!", "digest": "00"}, "'token' is not base64"),
        ({"token": "é", "digest": "00"}, "'token' is not base64"),
        ({"token": 5, "digest": "00"}, "'token' is not text"),
        ({"token": "MAA=", "digest": "xyz"}, "hexadecimal"),
        ({"token": "MAA=", "digest": "é"}, "hexadecimal"),
        ({"token": ["MAA=", "MAA="], "digest": "00"}, "once"),
        ({"token": "MAA=", "digest": "00", "url": "http://a.example/"}, "'url' is not"),
        ({"token": "MAA=", "digest": "00", "crl": ["MAA="] * MAX_PARTS}, f"{MAX_PARTS} in all"),
        ({"token": "MAA=", "digest": "00", "crl": ["MAA="] * 9999}, f"{MAX_PARTS} in all"),
    ],
)
def test_json_that_says_too_little_or_too_much(authority: Authority, fields: object, words: str) -> None:
    with authority.connect() as connection:
        assert words in refused(connection.ask(json_bytes(fields)), 400)
        assert connection.get("/healthz").status == 200


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 200_000, b'{"token": 1e999999}', b'{"a": ' + b"9" * 9999 + b"}"]
)
def test_what_is_no_json(authority: Authority, body: bytes) -> None:
    with authority.connect() as connection:
        refused(connection.ask(post_bytes(body, "/verify", content_type="application/json")), 400)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "cut short"),
        (b"nothing of a form", "cut short"),
        (form(("token", b"x"), end=b""), "cut short"),
        (form(*[("crl", b"x")] * (MAX_PARTS + 3)), f"{MAX_PARTS} parts"),
        (form(*[("crl", b"x")] * (MAX_PARTS + 1)), f"{MAX_PARTS} in all"),
        (form(("token", b"x"), ("token", b"y"), ("data", b"")), "once"),
        (form(("file", b"x")), "'file' is not"),
        (form(("token", b"x")).replace(b"form-data", b"attachment"), "no name"),
        (form(("token", b"x")).replace(b"\r\n\r\n", b"\r\n"), "no name"),
    ],
)
def test_a_form_that_is_none(authority: Authority, body: bytes, words: str) -> None:
    with authority.connect() as connection:
        assert words in refused(connection.ask(form_bytes(body)), 400)
        assert "boundary" in refused(connection.ask(form_bytes(body, '""')), 400)


@pytest.mark.parametrize("kind", [None, "application/timestamp-query", "text/plain", "multipart/mixed"])
def test_another_content_type(authority: Authority, kind: str | None) -> None:
    with authority.connect() as connection:
        assert "application/json" in refused(connection.ask(post_bytes(b"{}", "/verify", content_type=kind)), 415)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method(authority: Authority, method: str) -> None:
    with authority.connect() as connection:
        answer = connection.ask(f"{method} /verify HTTP/1.1\r\nHost: tsa.test\r\nContent-Length: 0\r\n\r\n".encode())
        assert (answer.status, answer.header("allow")) == (405, "POST")


def test_a_body_that_is_too_large(authority: Authority) -> None:
    """On the head alone, or as soon as it is; the connection ends with it."""
    head = post_bytes(b"", "/verify", content_type="application/json", framing=f"Content-Length: {BODY_LIMIT + 1}")
    pieces = chunked(*[b" " * (1 << 16)] * 17)
    whole = post_bytes(pieces, "/verify", content_type="application/json", framing="Transfer-Encoding: chunked")
    for octets in (head, whole):
        with authority.connect() as connection:
            assert "digest in place of data" in refused(connection.ask(octets), 413)
            connection.socket.shutdown(1)
            connection.assert_closed()


def test_a_body_of_just_the_limit(authority: Authority) -> None:
    with authority.connect() as connection:
        body = b" " * BODY_LIMIT
        assert "JSON" in refused(connection.ask(post_bytes(body, "/verify", content_type="application/json")), 400)


def test_a_client_that_asks_before_it_sends(authority: Authority, token: tuple[bytes, Query]) -> None:
    """`Expect: 100-continue`, as curl sends with larger bodies: answered, unless the head is enough to refuse."""
    octets = json_bytes({"token": text(token[0]), "data": text(DATA)}, ("Expect: 100-continue",))
    head, _, body = octets.partition(b"\r\n\r\n")
    with authority.connect() as connection:
        connection.send(head + b"\r\n\r\n")
        assert connection.wait_for_interim() == 100
        connection.send(body)
        assert judged(connection.answer())["verdict"] == "proved"
        connection.send(head.replace(b"application/json", b"text/plain") + b"\r\n\r\n")
        refused(connection.answer(), 415)
        assert connection.interim == []


@pytest.mark.parametrize(("version", "expected"), [("1.0", "100-continue"), ("1.1", "something-else")])
def test_what_is_not_asked_for_is_not_said(
    authority: Authority, token: tuple[bytes, Query], version: str, expected: str
) -> None:
    """RFC 9110 10.1.1: HTTP/1.0 knows no `100 Continue`."""
    octets = json_bytes({"token": text(token[0]), "data": text(DATA)}, (f"Expect: {expected}",))
    with authority.connect() as connection:
        assert judged(connection.ask(octets.replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1)))["verdict"] == "proved"
        assert connection.interim == []


def test_a_body_that_ends_early(authority: Authority) -> None:
    with authority.connect() as connection:
        connection.send(json_bytes({})[:-1])
        connection.socket.shutdown(1)
        assert refused(connection.answer(), 400)
