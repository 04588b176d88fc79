"""Files beside a token: certificates, CRLs and OCSP responses, in PEM or DER."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cryptography import x509
from cryptography.x509 import ocsp

from certs.der import armoured
from tsa.verify.proof import NotJudged

_T = TypeVar("_T")


def certificates(octets: bytes) -> list[x509.Certificate]:
    """The certificates in a PEM bundle, or the single one in DER. Raises NotJudged where one cannot be read."""
    return _read(octets, "CERTIFICATE", x509.load_der_x509_certificate, "an X.509 certificate")


def crls(octets: bytes) -> list[bytes]:
    """The CRLs in a PEM bundle, or the single one in DER; they come out in DER.

    Raises NotJudged where one cannot be read.
    """
    return _read(octets, "X509 CRL", _crl, "a CRL")


def ocsps(octets: bytes) -> list[bytes]:
    """The OCSP responses in PEM, or the single one in DER; they come out in DER.

    Raises NotJudged where one cannot be read.
    """
    return _read(octets, "OCSP RESPONSE", _ocsp, "an OCSP response")


def _read(octets: bytes, label: str, load: Callable[[bytes], _T], name: str) -> list[_T]:
    """The contents of every PEM block with the label, or the octets themselves where they are not PEM, as loaded."""
    try:
        found = [content for kind, content in armoured(octets) if kind == label.encode()]
        if found or b"-----BEGIN" not in octets:
            return [load(content) for content in found or [octets]]
    except (ValueError, x509.InvalidVersion):
        raise NotJudged(f"What was given is not {name} that can be read: give one in PEM or DER.") from None
    raise NotJudged(f"In the PEM that was given there is nothing under BEGIN {label}: give {name} in PEM or DER.")


def _crl(octets: bytes) -> bytes:
    x509.load_der_x509_crl(octets).issuer.rfc4514_string()  # a name is read only when asked for, and may fail
    return octets


def _ocsp(octets: bytes) -> bytes:
    ocsp.load_der_ocsp_response(octets)
    return octets
