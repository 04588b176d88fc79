"""A row of the ledger: the kept parts of a token, the link to the row before, and the token rebuilt from them."""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

from tsa.protocol import cms

# Exchanging the template's layout in a way that gives other octets for the same row needs another number here.
TEMPLATE_VERSION = 1

_NUMBERS = struct.Struct(">QQQQQIIIII")


class Entry(NamedTuple):
    """The kept parts of a token: the columns of a ledger row, without its number and link.

    `gen_time` is µs since the epoch; `serial`, `policy` and `imprint` are the content octets that the TSTInfo has;
    `tsu` is the number of the signer's row in the same file.
    """

    gen_time: int
    serial: bytes
    application: int
    policy: bytes
    imprint: bytes
    cert_req: bool
    tsu: int
    tst_info: bytes
    signature: bytes


def link(before: bytes, seq: int, entry: Entry, signer_digest: bytes) -> bytes:
    """The link of row `seq`: SHA-256 over the link of the row before, every column, and the signer."""
    gen_time, serial, application, policy, imprint, cert_req, tsu, tst_info, signature = entry
    numbers = _NUMBERS.pack(
        seq, gen_time, application, tsu, cert_req, len(serial), len(policy), len(imprint), len(tst_info), len(signature)
    )
    octets = b"".join((before, signer_digest, numbers, serial, policy, imprint, tst_info, signature))
    return hashlib.sha256(octets).digest()


def rebuild(template: cms.TokenTemplate, entry: Entry) -> bytes:
    """The TimeStampResp of a row, octet for octet as it was sent; `template` is that of its signer."""
    attributes = template.signed_attributes(template.before_digest(entry.gen_time), entry.tst_info)
    return template.response(entry.tst_info, attributes, entry.signature, entry.cert_req)
