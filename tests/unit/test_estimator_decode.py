"""Decoding: what is accepted, what is refused and why, and that the fast path agrees with the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from estimator_market import COIN, START_MS, MarketWriter
from liqheat_estimator.core import decode
from liqheat_estimator.core.decode import TradeBatch, decode_event
from liqheat_shared.contracts.market_events import MARKET_EVENT
from liqheat_shared.folding import Rejected

VALID: dict[str, Any] = orjson.loads(MarketWriter().trades([100.0, 101.0, 99.5], trade_id=["a", "b", "c"]))
COLUMNS = ("time_offset_ms", "price", "quantity_base", "trade_id")

WRONG_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**14), 10**14),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "1", "live", "BTC", "btc", "b", "bsb", "bsx", "bsb\n", "x" * 61, "alpha\n"]),
    st.lists(st.one_of(st.floats(-10, 10), st.integers(-5, 5), st.none(), st.just("1"), st.booleans()), max_size=4),
    st.just({}),
)


SPOILT = st.sampled_from([None, "1", -1, 0, 2.5, True])


@settings(max_examples=400, deadline=None)
@given(
    changes=st.dictionaries(st.sampled_from(sorted(VALID)), WRONG_VALUES, max_size=2),
    removed=st.sets(st.sampled_from(sorted(VALID)), max_size=1),
    spoilt=st.none() | st.tuples(st.sampled_from(COLUMNS), st.integers(0, 2), SPOILT),
)
def test_trades_are_accepted_exactly_when_the_model_accepts_them(
    changes: dict[str, Any], removed: set[str], spoilt: tuple[str, int, Any] | None
) -> None:
    document = {name: value for name, value in (VALID | changes).items() if name not in removed}
    if spoilt is not None and isinstance(document.get(spoilt[0]), list):
        column = list(document[spoilt[0]])
        if spoilt[1] < len(column):
            column[spoilt[1]] = spoilt[2]
        document[spoilt[0]] = column
    body = orjson.dumps(document)
    document = orjson.loads(body)
    try:
        model = MARKET_EVENT.validate_python(document, strict=True)
    except ValidationError:
        model = None
    if model is not None and type(document.get("schema_version", 1)) is bool:
        model = None  # the model takes true for 1
    try:
        event = decode_event(body, str(document.get("coin")), 10**13)
        refused = None
    except Rejected as rejected:
        refused = rejected.reason
    assert (model is None) == (refused not in (None, "from-the-future"))
    if model is None or refused is not None:
        return
    assert event.type == model.type
    assert isinstance(event, TradeBatch)
    assert event.price.tolist() == model.price  # type: ignore[union-attr]
    assert event.quantity_base.tolist() == model.quantity_base  # type: ignore[union-attr]


def test_a_valid_batch_takes_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_decode_by_model", lambda document: pytest.fail("took the slow path"))
    batch = decode_event(orjson.dumps(VALID), COIN, START_MS)
    assert isinstance(batch, TradeBatch)
    assert (batch.open, batch.high, batch.low, batch.close) == (100.0, 101.0, 99.5, 99.5)
    assert (batch.total_base, batch.notional_usd, batch.taker_buy_usd) == (3.0, 300.5, 199.5)
    assert batch.volume_weighted_price == pytest.approx(300.5 / 3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 300))
def test_the_fast_path_gives_what_the_model_path_gives(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    document = orjson.loads(
        MarketWriter().trades(
            random.uniform(1, 2, count).tolist(),
            quantity_base=random.uniform(0, 2, count).tolist(),
            aggressor_side="".join(random.choice(["b", "s"], count)),
        )
    )
    fast = decode._decode_trades(document)
    slow = decode._decode_by_model(document)
    assert fast is not None
    assert isinstance(slow, TradeBatch)
    for name in TradeBatch.__dataclass_fields__:
        assert np.array_equal(getattr(fast, name), getattr(slow, name)), name


def test_zero_quantities_have_a_price_all_the_same() -> None:
    batch = decode_event(orjson.dumps(VALID | {"quantity_base": [0, 0, 0.0]}), COIN, START_MS)
    assert isinstance(batch, TradeBatch)
    assert batch.volume_weighted_price == 99.5


def _refusal(body: bytes, coin: str = COIN, append_time_ms: int = START_MS) -> Rejected:
    with pytest.raises(Rejected) as caught:
        decode_event(body, coin, append_time_ms)
    return caught.value


def _changed(**fields: Any) -> bytes:
    return orjson.dumps(VALID | fields)


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        (b"", "not-json", ""),
        (b"{", "not-json", ""),
        (b"\xff\xfe", "not-json", ""),
        (b"[" * 3_000, "not-json", ""),
        (b'{"price": [NaN]}', "not-finite", "NaN"),
        (b'{"price": [-Infinity]}', "not-finite", "Infinity"),
        (b'{"price": [1e999]}', "not-finite", "1e999"),
        (b"[]", "not-an-object", "list"),
        (b"null", "not-an-object", "NoneType"),
        (_changed(schema_version=2), "unknown-schema-version", "2"),
        (_changed(schema_version="1"), "unknown-schema-version", "1"),
        (_changed(schema_version=True), "unknown-schema-version", "True"),
        (_changed(type="option-trades"), "unknown-type", "option-trades"),
        (_changed(type=None), "unknown-type", "None"),
        (_changed(type=["trades"]), "unknown-type", "trades"),
        (_changed(price=[100.0, -1.0, 99.0]), "invalid-field", "price.1"),
        (_changed(price=[100.0, None, 99.0]), "invalid-field", "price.1"),
        (_changed(price=[100.0, "101", 99.0]), "invalid-field", "price.1"),
        (_changed(price=[100.0, 101.0]), "invalid-field", "members"),
        (_changed(quantity_base=[1, -2, 1]), "invalid-field", "quantity_base.1"),
        (_changed(aggressor_side="bxs"), "invalid-field", "aggressor_side"),
        (_changed(time_offset_ms=[0, 1, 0]), "invalid-field", "positive"),
        (_changed(phase="paper"), "invalid-field", "phase"),
        (_changed(event_time_ms=START_MS * 1_000), "invalid-field", "event_time_ms"),
        (_changed(sequence=-1), "invalid-field", "sequence"),
        (_changed(coin="ETH"), "wrong-key", "ETH"),
        (_changed(event_time_ms=START_MS + 2_001), "from-the-future", "2001 ms"),
    ],
)
def test_each_refusal_says_why(body: bytes, reason: str, detail: str) -> None:
    refusal = _refusal(body)
    assert refusal.reason == reason
    assert detail in refusal.detail
    assert len(refusal.detail) <= 2_000


def test_a_live_event_must_not_be_ahead_of_the_broker() -> None:
    live = _changed(phase="live")
    assert decode_event(live, COIN, START_MS - 2_000).phase == "live"
    assert _refusal(live, append_time_ms=START_MS - 2_001).reason == "from-the-future"
    assert decode_event(_changed(phase="replay"), COIN, 0).phase == "replay"


@pytest.mark.parametrize("kind", sorted(decode.EVENT_TYPES))
def test_every_type_of_the_contract_is_known(kind: str) -> None:
    schema = MARKET_EVENT.json_schema()
    assert kind in schema["discriminator"]["mapping"]
    assert set(schema["discriminator"]["mapping"]) == decode.EVENT_TYPES


def test_other_events_are_read_strictly() -> None:
    writer = MarketWriter()
    assert decode_event(writer.ticker(100.0, 5.0), COIN, START_MS).type == "ticker"
    refusal = _refusal(writer.ticker("100"))  # type: ignore[arg-type]
    assert (refusal.reason, refusal.detail.split(":")[0]) == ("invalid-field", "mark_price")
    assert _refusal(writer.ticker(-5.0)).reason == "invalid-field"
    assert _refusal(writer.candle(100.0, 90.0, None)).reason == "invalid-field"
