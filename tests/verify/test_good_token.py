"""A good token of every key type is proved, by the certificate that signed it, and every octet signed is looked at."""

from datetime import timedelta

import pytest
from asn1crypto import tsp
from cryptography import x509

from signer.software import KEY_TYPES
from tests.support import der
from tests.support.editing import (
    CERTIFICATE,
    ED25519,
    REQUEST,
    RESPONSE,
    STRANGER,
    certificate_of,
    certificates,
    edited,
    ess_by,
    sign,
    signature_algorithm,
    signed_data,
)
from tests.support.query import Query, imprint
from tests.support.units import authority, grant, unit
from tsa.verify.proof import NotProved
from tsa.verify.token import CheckedToken, check_token


@pytest.mark.parametrize("options", [{}, {"signing_time": True, "include_tsa_name": True}])
@pytest.mark.parametrize("query", [Query(), Query(cert_req=None), Query(nonce=None, imprint=imprint("sha3-512"))])
@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_good_token_is_proved(key_type: str, query: Query, options: dict[str, bool]) -> None:
    octets, certificate = query.encode(), unit(key_type).chain.certificate
    proved = check_token(grant(authority(key_type, token=options), octets), octets, (STRANGER, certificate))
    assert (proved.policy, proved.certificate) == ("2.999.3161.1", certificate)
    assert proved.serial_number > 0
    assert proved.gen_time.utcoffset() == timedelta(0)


@pytest.mark.parametrize("before", [True, False])
def test_an_injected_certificate_changes_nothing_wherever_it_stands(before: bool) -> None:
    """The signer is found by SignerInfo and ESSCertIDv2, never by its place in the SET (CVE-2026-39984)."""
    longer = certificate_of(f"OU={'y' * 600}", ED25519.public_key(), ED25519)
    injected = STRANGER if before else longer
    response = edited(certificates(CERTIFICATE, injected))
    embedded = signed_data(tsp.TimeStampResp.load(response))["certificates"]
    first = x509.load_der_x509_certificate(embedded[0].chosen.dump())
    assert first == (injected if before else CERTIFICATE)
    assert check_token(response, REQUEST).certificate == CERTIFICATE


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512"])
def test_an_ess_cert_id_by_any_hash_is_followed(name: str) -> None:
    ways = (ess_by(name), sign)
    assert check_token(edited(*ways), REQUEST).certificate == CERTIFICATE


def test_an_rsa_token_may_name_its_hash_in_the_signature_algorithm() -> None:
    """RFC 5754 3.2 has both: rsaEncryption, as here, and sha256WithRSAEncryption."""
    response = grant(authority("rsa2048"), REQUEST)
    assert check_token(edited(signature_algorithm("sha256_rsa"), response=response), REQUEST)
    with pytest.raises(NotProved, match=r"^Step 7 \(signature\): .*for the digestAlgorithm sha256, found .*\(sha384\)"):
        check_token(edited(signature_algorithm("sha384_rsa"), response=response), REQUEST)


# The fields that no signature covers and that prove nothing: a change there is not seen.
UNSIGNED = {"PKIStatus", "SignedData.version", "SignedData.digestAlgorithms", "SignerInfo.version"}


def unsigned_octets(response: bytes) -> dict[int, str]:
    """The place of each octet of those fields, with the length octet of the field before."""
    places: dict[int, str] = {}
    after = 0

    def note(element: der.Element, name: str) -> None:
        nonlocal after
        after = response.index(element.raw, after)
        places.update(dict.fromkeys(range(after, after + len(element.raw)), name))

    status_info, token = der.read(response).children()
    note(status_info.children()[0], "PKIStatus")
    content = token.children()[1].children()[0].children()
    note(content[0], "SignedData.version")
    note(content[1], "SignedData.digestAlgorithms")
    after = response.index(content[-1].raw)
    note(content[-1].children()[0].children()[0], "SignerInfo.version")
    return places


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
def test_no_single_changed_octet_goes_unnoticed_where_something_is_signed() -> None:
    good, unsigned = check_token(RESPONSE, REQUEST), unsigned_octets(RESPONSE)
    unnoticed = set()
    for at in range(len(RESPONSE)):
        for change in (0x01, 0x02, 0x80, 0xFF):
            changed = bytearray(RESPONSE)
            changed[at] ^= change
            if outcome(bytes(changed)) is not None:
                assert outcome(bytes(changed)) == good
                unnoticed.add(unsigned.get(at, f"octet {at}"))
    assert unnoticed == UNSIGNED


def outcome(response: bytes) -> CheckedToken | None:
    try:
        return check_token(response, REQUEST)
    except NotProved:
        return None
