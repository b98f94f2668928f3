"""Made-up market logs for the tests of the estimator: every kind of event, seeded, on several venues."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson

from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.estimator_fold import EstimatorFold, EstimatorParameters
from liqheat_shared.contracts.topics import TOPICS
from liqheat_shared.folding import Emission

START_MS = 1_780_000_020_000
COIN = "BTC"
VENUES = ("alpha", "beta", "gamma")
#: What each venue's liquidation feed shows.
COMPLETENESS = {"alpha": "complete", "beta": "throttled", "gamma": "partial"}
TIERS = [
    {
        "notional_floor_usd": 0.0,
        "notional_cap_usd": 100_000.0,
        "maintenance_margin_rate": 0.004,
        "maintenance_amount_usd": 0.0,
        "max_leverage": 125.0,
    },
    {
        "notional_floor_usd": 100_000.0,
        "notional_cap_usd": None,
        "maintenance_margin_rate": 0.01,
        "maintenance_amount_usd": 600.0,
        "max_leverage": 50.0,
    },
]


class MarketWriter:
    """Writes messages of one coin with the right envelope: dense sequences, a clock that only moves when told."""

    def __init__(self, phase: str = "replay") -> None:
        self.phase = phase
        self.now_ms = START_MS
        self.sequences: dict[str, int] = {}

    def message(self, kind: str, venue: str = "alpha", **fields: Any) -> bytes:
        """A message; fields of the envelope may be overridden."""
        sequence = self.sequences[venue] = self.sequences.get(venue, -1) + 1
        envelope = {
            "schema_version": 1,
            "coin": COIN,
            "venue": venue,
            "symbol": f"{COIN}/USDT:USDT",
            "phase": self.phase,
            "event_time_ms": self.now_ms,
            "receive_time_ms": self.now_ms,
            "ingest_epoch": 1,
            "sequence": sequence,
            "type": kind,
        }
        return orjson.dumps(envelope | fields, option=orjson.OPT_SERIALIZE_NUMPY)

    def trades(self, prices: Iterable[float], venue: str = "alpha", **fields: Any) -> bytes:
        """One unit at each price, taker bought and sold in turn."""
        price = [float(each) for each in prices]
        columns = {
            "time_offset_ms": [0] * len(price),
            "price": price,
            "quantity_base": [1.0] * len(price),
            "aggressor_side": ("bs" * len(price))[: len(price)],
        }
        return self.message("trades", venue, **(columns | fields))

    def ticker(
        self, mark: float | None, open_interest: float | None = None, venue: str = "alpha", **fields: Any
    ) -> bytes:
        """Mark and open interest."""
        return self.message("ticker", venue, mark_price=mark, open_interest_base=open_interest, **fields)

    def candle(
        self, low: float, high: float, open_interest: float | None, venue: str = "alpha", **fields: Any
    ) -> bytes:
        """A 5-minute candle that ends now, from its low to its high."""
        values = {
            "open_time_ms": self.now_ms - 300_000,
            "interval_ms": 300_000,
            "open": low,
            "high": high,
            "low": low,
            "close": high,
            "volume_base": 50.0,
            "taker_buy_base": 20.0,
            "open_interest_base": open_interest,
        }
        return self.message("candle", venue, **(values | fields))

    def bracket(self, which: str, venue: str = "alpha") -> bytes:
        """A backfill begins (``started``) or ends (``finished``)."""
        return self.message(f"backfill-{which}", venue, backfill_id="b", from_ms=0, to_ms=self.now_ms)


class RandomMarket:
    """A seeded market: everything that can happen, in a legal log."""

    def __init__(self, seed: int, venues: int = 2) -> None:
        self.random = np.random.default_rng(seed)
        self.venues = VENUES[:venues]
        self.writer = MarketWriter()
        self.price = 60_000.0
        self.interest = dict.fromkeys(self.venues, 10_000.0)

    def log(self, events: int) -> list[bytes]:
        """Messages: a short backfill of every venue merged by time, then live events."""
        messages = [self.writer.message("instrument", venue, **instrument_fields()) for venue in self.venues]
        messages += [self.writer.bracket("started", venue) for venue in self.venues]
        for _ in range(4):
            self.writer.now_ms += 300_000
            self._walk(0.004)
            for venue in self.venues:
                low, high = self.price * 0.998, self.price * 1.001
                messages.append(self.writer.candle(low, high, self._interest(venue), venue))
        messages += [self.writer.bracket("finished", venue) for venue in self.venues]
        return messages + [self._event() for _ in range(events)]

    def _walk(self, width: float) -> None:
        self.price *= float(np.exp(width * self.random.standard_normal()))

    def _interest(self, venue: str) -> float:
        self.interest[venue] *= float(np.exp(0.02 * self.random.standard_normal()))
        return self.interest[venue]

    def _event(self) -> bytes:
        random, writer = self.random, self.writer
        writer.now_ms += int(random.choice([0, 30, 400, 1_500, 20_000, 70_000], p=[0.1, 0.3, 0.3, 0.2, 0.08, 0.02]))
        self._walk(float(random.choice([0.0002, 0.002, 0.03], p=[0.7, 0.27, 0.03])))
        venue = str(random.choice(self.venues))
        kind = random.choice(
            ["trades", "ticker", "position", "liquidation", "heartbeat", "feed", "instrument", "candle"],
            p=[0.45, 0.3, 0.08, 0.05, 0.05, 0.03, 0.02, 0.02],
        )
        return getattr(self, f"_{kind}")(venue)  # type: ignore[no-any-return]

    def _trades(self, venue: str) -> bytes:
        count = int(self.random.integers(1, 30))
        prices = self.price * np.exp(0.0005 * self.random.standard_normal(count))
        return self.writer.trades(
            prices.tolist(),
            venue,
            quantity_base=self.random.exponential(3.0, count).tolist(),
            aggressor_side="".join(self.random.choice(["b", "s"], count)),
        )

    def _ticker(self, venue: str) -> bytes:
        mark = None if self.random.random() < 0.2 else self.price
        interest = None if self.random.random() < 0.2 else self._interest(venue)
        return self.writer.ticker(mark, interest, venue, last_price=self.price * 1.0002, index_price=self.price)

    def _position(self, venue: str) -> bytes:
        side = str(self.random.choice(["long", "short"]))
        away = float(self.random.uniform(0.001, 0.9)) * (-1 if side == "long" else 1)
        return self.writer.message(
            "on-chain-position",
            venue,
            account=f"0x{int(self.random.integers(0, 6))}",
            side=side,
            quantity_base=float(self.random.choice([0.0, 50.0, 900.0])),
            entry_price=self.price,
            liquidation_price=None if self.random.random() < 0.2 else self.price * (1 + away),
            leverage=None,
            margin_mode="cross",
        )

    def _liquidation(self, venue: str) -> bytes:
        return self.writer.message(
            "liquidation",
            venue,
            liquidated_side=str(self.random.choice(["long", "short"])),
            price=self.price,
            price_kind="bankruptcy",
            quantity_base=2.0,
            notional_usd=2.0 * self.price,
            feed_completeness=COMPLETENESS[venue],
        )

    def _heartbeat(self, venue: str) -> bytes:
        return self.writer.message("heartbeat", venue, stream_age_ms={"trades": 1_200, "ticker": None})

    def _feed(self, venue: str) -> bytes:
        kind = str(self.random.choice(["feed-interrupted", "feed-resumed"]))
        return self.writer.message(kind, venue, stream="trades", from_ms=self.writer.now_ms, reason="test")

    def _instrument(self, venue: str) -> bytes:
        return self.writer.message("instrument", venue, **instrument_fields(inverse=bool(self.random.random() < 0.5)))

    def _candle(self, venue: str) -> bytes:
        return self.writer.candle(self.price * 0.999, self.price * 1.001, self._interest(venue), venue)


def instrument_fields(*, inverse: bool = False) -> dict[str, Any]:
    """Fields of an instrument event with two margin tiers."""
    return {
        "quote": "USDT",
        "is_inverse": inverse,
        "contract_size": 1.0,
        "margin_tiers": TIERS,
        "tiers_valid_from_ms": 0,
        "tiers_source": "test",
    }


def feed(fold: EstimatorFold, state: CoinState, messages: Iterable[bytes]) -> list[Emission]:
    """Fold messages and return what they cause."""
    return [emission for message in messages for emission in fold.fold(state, fold.decode(message, COIN, START_MS * 2))]


def encode(emission: Emission) -> bytes:
    """An emission as the shell sends it, with made-up coordinates."""
    coordinates = {
        "event_id": f"1-0-0-{emission.kind}-0",
        "kind": emission.kind,
        "log_epoch": 1,
        "source_partition": 0,
        "source_offset": 0,
        "sequence": 1,
    }
    return orjson.dumps(coordinates | dict(emission.value), option=orjson.OPT_SERIALIZE_NUMPY)


def parsed(emission: Emission) -> Any:
    """An emission as its contract's model, unknown fields refused."""
    return TOPICS[emission.topic].adapter.validate_json(encode(emission), extra="forbid")


def start(cadence_ms: int = 1_000) -> tuple[EstimatorFold, CoinState, MarketWriter]:
    """A fold, the state of a coin that nothing is known about, and a writer."""
    fold = EstimatorFold(EstimatorParameters(cadence_ms=cadence_ms))
    return fold, fold.new(COIN), MarketWriter()


def of_kind(emissions: Iterable[Emission], kind: str) -> list[Any]:
    """Values of the emissions of a kind."""
    return [emission.value for emission in emissions if emission.kind == kind]
