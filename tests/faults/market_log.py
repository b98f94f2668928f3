"""A small deterministic market: messages for market-events-v1 whose maps move enough to make every kind of output."""

from __future__ import annotations

import numpy as np
import orjson

START_MS = 1_780_000_000_000
PRICES = {"BTC": 60_000.0, "ETH": 3_000.0, "SOL": 150.0, "DOGE": 0.2, "AVAX": 30.0}


def market_log(seconds: int, coins: tuple[str, ...] = tuple(PRICES), seed: int = 7) -> list[tuple[bytes, bytes]]:
    """(key, value) of every message: two batches of trades and a ticker a second and coin, sometimes a liquidation."""
    random = np.random.default_rng(seed)
    log: list[tuple[bytes, bytes]] = []
    price = {coin: PRICES[coin] for coin in coins}
    sequence = dict.fromkeys(coins, 0)
    interest = dict.fromkeys(coins, 10_000.0)
    for second in range(seconds):
        for coin in coins:
            price[coin] *= float(np.exp(0.0008 * random.standard_normal()))
            interest[coin] *= float(np.exp(0.004 * random.standard_normal()))
            now = START_MS + second * 1000
            for payload in _second(random, price[coin], interest[coin], now):
                envelope = {
                    "schema_version": 1,
                    "coin": coin,
                    "venue": "sim-alpha",
                    "symbol": f"{coin}/USDT:USDT",
                    "phase": "replay",
                    "ingest_epoch": 1,
                    "sequence": sequence[coin],
                }
                sequence[coin] += 1
                log.append((coin.encode(), orjson.dumps(envelope | payload)))
    return log


def _second(random: np.random.Generator, price: float, interest: float, now: int) -> list[dict[str, object]]:
    messages: list[dict[str, object]] = []
    for part in (200, 700):
        at = {"event_time_ms": now + part, "receive_time_ms": now + part}
        n = int(random.integers(1, 6))
        prices = price * np.exp(0.0002 * random.standard_normal(n))
        messages.append(
            {
                "type": "trades",
                "time_offset_ms": [0] * n,
                "price": [round(float(p), 6) for p in prices],
                "quantity_base": [round(float(q), 4) for q in random.exponential(2.0, n)],
                "aggressor_side": "".join(random.choice(["b", "s"], n)),
                **at,
            }
        )
    at = {"event_time_ms": now + 900, "receive_time_ms": now + 900}
    if random.random() < 0.1:
        liquidation = {
            "type": "liquidation",
            "liquidated_side": "long",
            "price": price,
            "price_kind": "average",
            "quantity_base": 1.0,
            "notional_usd": price,
            "feed_completeness": "complete",
        }
        messages.append(liquidation | at)
    messages.append({"type": "ticker", "mark_price": price, "last_price": price, "open_interest_base": interest} | at)
    return messages


def raising_event(coin: str, now_ms: int) -> bytes:
    """An event on which the estimator of ``stage_process`` raises."""
    return orjson.dumps(
        {
            "schema_version": 1,
            "coin": coin,
            "venue": "sim-alpha",
            "symbol": "RAISE",
            "phase": "replay",
            "ingest_epoch": 1,
            "sequence": 0,
            "type": "heartbeat",
            "stream_age_ms": {},
            "event_time_ms": now_ms,
            "receive_time_ms": now_ms,
        }
    )
