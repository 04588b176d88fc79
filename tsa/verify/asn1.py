"""What asn1crypto's own types of RFC 3161 lack."""

from __future__ import annotations

from asn1crypto import cms, core, tsp


class TimeStampResp(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    """TimeStampResp, RFC 3161 2.4.2; asn1crypto's own wants a token, which no refusal has."""

    _fields = [  # noqa: RUF012 - how asn1crypto declares fields
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]
