"""Every field of a TimeStampReq, a TimeStampResp or a bare token, under the standard's names; nothing is judged."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from asn1crypto import cms as asn1_cms
from asn1crypto import core
from asn1crypto import tsp as asn1_tsp

from tsa.verify.asn1 import TimeStampResp

Fields = dict[str, Any]


class Unreadable(Exception):
    """The octets are none of the messages of RFC 3161."""


def describe(octets: bytes) -> tuple[str, Fields]:
    """What the octets are, and their fields; values are text, numbers, lists or further fields.

    Raises Unreadable.
    """
    for kind, read in (("TimeStampReq", _request), ("TimeStampResp", _response), ("TimeStampToken", _bare_token)):
        with suppress(Exception):  # asn1crypto raises all kinds of things on what it cannot read
            return kind, read(octets)
    raise Unreadable("neither a TimeStampReq, a TimeStampResp nor a TimeStampToken in DER")


def _request(octets: bytes) -> Fields:
    request = asn1_tsp.TimeStampReq.load(octets, strict=True)
    return _present(
        {
            "version": _number(request["version"]),
            "messageImprint": _imprint(request["message_imprint"]),
            "reqPolicy": _oid(request["req_policy"]),
            "nonce": _hex(request["nonce"]),
            "certReq": request["cert_req"].native,
            "extensions": [extension["extn_id"].dotted for extension in request["extensions"]],
        }
    )


def _response(octets: bytes) -> Fields:
    response = TimeStampResp.load(octets, strict=True)
    status, token = response["status"], response["time_stamp_token"]
    return _present(
        {
            "status": _camel(str(status["status"].native)),
            "statusString": status["status_string"].native,
            "failInfo": sorted(map(_camel, map(str, status["fail_info"].native or ()))),
            "timeStampToken": None if isinstance(token, core.Void) else _token(token),
        }
    )


def _bare_token(octets: bytes) -> Fields:
    return _token(asn1_cms.ContentInfo.load(octets, strict=True))


def _token(token: Any) -> Fields:
    signed = token["content"]
    info = signed["encap_content_info"]["content"].parsed
    [signer] = signed["signer_infos"]
    return _present(
        {
            "contentType": token["content_type"].dotted,
            "TSTInfo": _tst_info(info),
            "certificates": [
                _certificate(choice.chosen) for choice in signed["certificates"] if choice.name == "certificate"
            ],
            "SignerInfo": {
                "sid": _sid(signer["sid"]),
                "digestAlgorithm": signer["digest_algorithm"]["algorithm"].native,
                "signedAttrs": [_camel(attribute["type"].native) for attribute in signer["signed_attrs"]],
                "signatureAlgorithm": signer["signature_algorithm"]["algorithm"].native,
                "signature": signer["signature"].native.hex(),
            },
        }
    )


def _tst_info(info: Any) -> Fields:
    return _present(
        {
            "version": _number(info["version"]),
            "policy": _oid(info["policy"]),
            "messageImprint": _imprint(info["message_imprint"]),
            "serialNumber": _hex(info["serial_number"]),
            "genTime": info["gen_time"].native.isoformat().replace("+00:00", "Z"),
            "accuracy": _present(dict(info["accuracy"].native or {})),
            "ordering": info["ordering"].native,
            "nonce": _hex(info["nonce"]),
            "tsa": None if isinstance(info["tsa"], core.Void) else _general_name(info["tsa"]),
        }
    )


def _sid(sid: Any) -> Fields:
    if sid.name == "subject_key_identifier":
        return {"subjectKeyIdentifier": sid.chosen.native.hex()}
    return {
        "issuer": sid.chosen["issuer"].human_friendly,
        "serialNumber": _hex(sid.chosen["serial_number"]),
    }


def _general_name(name: Any) -> str:
    return str(name.chosen.human_friendly if name.name == "directory_name" else name.native)


def _imprint(imprint: Any) -> Fields:
    return {
        "hashAlgorithm": imprint["hash_algorithm"]["algorithm"].native,
        "hashedMessage": imprint["hashed_message"].native.hex(),
    }


def _certificate(certificate: Any) -> Fields:
    validity = certificate["tbs_certificate"]["validity"].native
    return {
        "subject": certificate.subject.human_friendly,
        "issuer": certificate.issuer.human_friendly,
        "serialNumber": f"{certificate.serial_number:x}",
        "notBefore": validity["not_before"].isoformat(),
        "notAfter": validity["not_after"].isoformat(),
        "sha256Fingerprint": certificate.sha256.hex(),
    }


def _number(value: Any) -> int:
    return int.from_bytes(value.contents, "big", signed=True)


def _hex(value: Any) -> str | None:
    return None if value.native is None else value.contents.hex()


def _oid(value: Any) -> str | None:
    return None if value.native is None else value.dotted


def _camel(name: str) -> str:
    """The standard's spelling of a name that asn1crypto gives in its own."""
    first, *rest = name.split("_")
    spelt = first + "".join(word.capitalize() for word in rest)
    return "unacceptedExtension" if spelt == "unacceptedExtensions" else spelt


def _present(fields: Fields) -> Fields:
    """Fields that are there: absent ones are None, or an empty list or group."""
    return {name: value for name, value in fields.items() if value not in (None, [], {})}
