"""The time-stamping unit (RFC 3628 3.1): one key with its certificate, proved to belong together before it is used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from certs.chain import CertificateFault, Chain, build_chain, read_certificates
from certs.fitness import check_fitness, usable_until
from signer.custody import open_key
from signer.key import KeyFault, SigningKey
from tsa.protocol.cms import Signer
from tsa.state.config import Config
from tsa.state.faults import Fault

PASSPHRASE_VARIABLE = "TSA_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable


class UnusableTsu(Fault):
    """The key or its certificate cannot be used; the text says what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class TimeStampingUnit:
    """A key, its chain, and the time in which it may sign, in µs since the epoch."""

    key: SigningKey
    chain: Chain
    usable_from_us: int
    usable_until_us: int

    @property
    def signer(self) -> Signer:
        """What its tokens say of it."""
        certificate = self.chain.certificate
        return Signer(
            certificate=certificate.public_bytes(Encoding.DER),
            chain=tuple(issuer.public_bytes(Encoding.DER) for issuer in self.chain.intermediates),
            issuer=certificate.issuer.public_bytes(),
            serial_number=certificate.serial_number,
            digest=self.key.algorithm.digest,
            signature_algorithm=self.key.algorithm.identifier,
        )

    @property
    def subject(self) -> bytes:
        """The certificate's subject, a DER Name."""
        return self.chain.certificate.subject.public_bytes()


def load_tsu(config: Config) -> TimeStampingUnit:
    """The unit that [tsu] names, checked for fitness as of now.

    Raises UnusableTsu.
    """
    now = datetime.now(UTC)
    passphrase_file = config.path(config.tsu.passphrase_file) if config.tsu.passphrase_file else None
    try:
        key = open_key(config.tsu.key, read_passphrase(passphrase_file), folder=config.dir)
        chain = build_chain(
            key.public_key,
            read_certificates(config.path(config.tsu.certificate)),
            read_certificates(config.path(config.tsu.ca)),
        )
        check_fitness(chain, key.public_key, now)
    except (KeyFault, CertificateFault) as fault:
        raise UnusableTsu(str(fault)) from fault
    return TimeStampingUnit(
        key, chain, _microseconds(chain.certificate.not_valid_before_utc), _microseconds(usable_until(chain))
    )


def read_passphrase(file: Path | None) -> bytes | None:
    """A key's passphrase, from a file or, without one, from the environment; None where there is neither.

    Raises UnusableTsu when the file cannot be read.
    """
    if file is None:
        return os.environ.get(PASSPHRASE_VARIABLE, "").encode() or None
    try:
        return file.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise UnusableTsu(f"The passphrase file {file} cannot be read: {error.strerror}.") from error


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
