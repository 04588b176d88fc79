"""Nothing serves that has not signed a token which the verifier accepts (decision 11)."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.devca import create_development_chain
from signer.custody import open_key
from signer.key import SigningKey
from signer.software import KEY_TYPES, SoftwareKey, generate, store
from tests.support.query import Query
from tests.support.server import set_option
from tests.support.units import ListLedger, answer, authority, books, unit
from tsa.clock.gate import SharedGate
from tsa.operate import initialise
from tsa.protocol.errors import SystemFailure
from tsa.stamping import tsu
from tsa.stamping.books import Books
from tsa.stamping.issue import Authority
from tsa.stamping.opening import open_authority, prove, stamp_unbilled, trial_books
from tsa.stamping.tsu import UnusableTsu
from tsa.state import layout
from tsa.state.config import load
from tsa.verify.token import check_token


@pytest.fixture
def state(tmp_path: Path) -> Path:
    initialise.development(tmp_path, "p256", 2)
    return tmp_path


async def opened(state: Path, kept: Books | None = None) -> Authority:
    return await open_authority(load(state), kept or books())


def set_key(state: Path, change: Callable[[Path], None]) -> None:
    key = state / layout.TSU_KEY
    key.unlink()
    change(key)


async def test_an_authority_opens_and_stamps_with_the_accuracy_that_its_clock_has(state: Path) -> None:
    ready = await opened(state, books(accuracy_us=250_000))
    octets = Query().encode()
    response = await answer(ready, octets)
    assert isinstance(response, bytes)
    assert check_token(response, octets).certificate == ready.tsu.chain.certificate
    assert ready.moment()[1] == 250_000
    ready.pool.close()


async def test_a_key_can_be_named_by_its_uri_and_another_kind_of_uri_is_refused(state: Path, tmp_path: Path) -> None:
    aside = (state / layout.TSU_KEY).rename(tmp_path / "aside.key")
    set_option(state, "tsu", "key", aside.as_uri())
    await prove(await opened(state))
    set_option(state, "tsu", "key", "pkcs11:object=tsa")
    with pytest.raises(UnusableTsu, match="There is no kind of key pkcs11:"):
        await opened(state)


async def test_a_key_that_does_not_match_its_certificate_never_serves(state: Path) -> None:
    set_key(state, lambda key: store(key, generate("p256")))
    with pytest.raises(UnusableTsu, match="for this key"):
        await opened(state)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda state: (state / "keys/tsa.key").unlink(), "There is no key file"),
        (lambda state: (state / "keys/tsa.key").chmod(0o644), "chmod 600"),
        (lambda state: (state / "certs/tsa.pem").write_text("no PEM"), "tsa.pem holds no readable certificate"),
        (lambda state: (state / "certs/ca.pem").unlink(), "ca.pem cannot be read"),
    ],
)
async def test_what_is_wrong_with_a_file_is_told(state: Path, spoil: Callable[[Path], None], sentence: str) -> None:
    spoil(state)
    with pytest.raises(UnusableTsu, match=sentence):
        await opened(state)


class Liar:
    """A key whose signatures are another key's."""

    def __init__(self, key: SigningKey) -> None:
        self.public_key = key.public_key
        self.algorithm = key.algorithm
        self._other = SoftwareKey(generate("p256"))

    def sign(self, data: bytes, /) -> bytes:
        return self._other.sign(data)


class Broken(Liar):
    """A key that cannot sign."""

    def sign(self, data: bytes, /) -> bytes:
        raise ZeroDivisionError(data)


def let_keys_be(kind: type[Liar], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let custody give keys of this kind."""
    monkeypatch.setattr(tsu, "open_key", lambda *arguments, **options: kind(open_key(*arguments, **options)))


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [(Liar, "first token does not verify. Step 7"), (Broken, "cannot sign: The signing key failed")],
)
async def test_a_key_that_signs_wrongly_is_caught(
    state: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Liar], sentence: str
) -> None:
    let_keys_be(kind, monkeypatch)
    with pytest.raises(UnusableTsu, match=sentence):
        await opened(state)


async def test_a_refused_first_token_is_told_with_its_reason(state: Path) -> None:
    with pytest.raises(
        UnusableTsu, match="The first token was refused: The certificate of this authority is not valid"
    ):
        await opened(state, books(lambda: 0))


async def test_the_first_token_does_not_wait_for_a_clock_that_is_trusted(state: Path) -> None:
    """Nobody gets it, and a server that cannot start would not be there when the clock comes right."""
    kept = trial_books(load(state), 0, SharedGate())
    opening = await open_authority(load(state), kept)
    with pytest.raises(UnusableTsu, match="The clock of this authority is not trusted now"):
        await stamp_unbilled(opening, Query().encode())
    opening.pool.close()


async def test_an_authority_that_does_not_open_leaves_the_one_in_force_as_it_was(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = books()
    ready = await opened(state, kept)
    toml = state / "tsa.toml"
    toml.write_text(toml.read_text().replace("accuracy_floor_ms = 1000", "accuracy_floor_ms = 1"))
    let_keys_be(Liar, monkeypatch)
    with pytest.raises(UnusableTsu):
        await opened(state, kept)
    assert ready.moment()[1] == 1_000_000


async def test_what_proves_the_key_is_neither_billed_nor_recorded(state: Path) -> None:
    ledger = ListLedger()
    kept = books(ledger=ledger)
    ready = await opened(state, kept)
    octets = Query().encode()
    response = await stamp_unbilled(ready, octets)
    assert check_token(response, octets).certificate == ready.tsu.chain.certificate
    gen_time, _ = ready.moment()
    assert (ledger.entries, kept.quota.used(0, kept.quota.window(gen_time))) == ([], (0, 0))
    ready.pool.close()


async def test_a_trial_leaves_no_ledger_behind(state: Path) -> None:
    """It opens with books of its own, as the supervisor does it before there is a worker."""
    (await open_authority(load(state), trial_books(load(state), 0, SharedGate()))).pool.close()
    assert not (state / "ledger").exists()


async def test_a_token_of_another_certificate_for_the_same_key_is_caught() -> None:
    ready, mine = authority(), unit()
    renewed = create_development_chain(mine.key.public_key, datetime.now(UTC))
    ready.tsu = dataclasses.replace(mine, chain=renewed)
    with pytest.raises(UnusableTsu, match="names another certificate"):
        await prove(ready)


async def test_an_authority_proves_itself_with_the_first_hash_that_is_accepted() -> None:
    await prove(authority(policy={"hashes": ["sha3-512"]}))


@pytest.mark.parametrize("key_type", KEY_TYPES)
async def test_every_key_type_proves_itself(key_type: str) -> None:
    ready = authority(key_type, token={"signing_time": True, "include_tsa_name": True})
    await prove(ready)
    ready.pool.close()


@pytest.mark.parametrize("edge", ["usable_from_us", "usable_until_us"])
async def test_outside_the_validity_of_the_certificate_there_is_no_token(edge: str) -> None:
    limit = getattr(unit(), edge)
    now = [0]
    ready = authority(now_ns=lambda: now[0] * 1_000)
    inside, outside = (limit, limit - 1) if edge == "usable_from_us" else (limit - 1, limit)
    for moment, kind in sorted([(inside, bytes), (outside, SystemFailure)]):
        now[0] = moment
        assert isinstance(await answer(ready, Query().encode()), kind)
