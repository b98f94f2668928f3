"""Hours of a real market: every law holds on data that nobody made up."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from estimator_market import COIN, MarketWriter, encode, feed, of_kind, parsed, start

TAPE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "hyperliquid-tape"
DAY = "2026-06-12"
HOURS = 3
WINDOW_MS = 1_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TAPE.is_dir(), reason="the recorded tape ../shared/data/hyperliquid-tape is absent"),
]


def _rows(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(TAPE / f"hyperliquid_{name}_{DAY}_{COIN}.csv.gz", "rt") as file:
        yield from csv.DictReader(file)


def _messages() -> Iterator[bytes]:
    """Trades in windows of a second and tickers, merged by time."""
    tickers = _rows("derivative_ticker")
    ticker = next(tickers)
    trades = _rows("trades")
    row = next(trades)
    end_ms = int(row["timestamp"]) // 1000 + HOURS * 3_600_000
    writer = MarketWriter()
    while True:
        time_ms = int(row["timestamp"]) // 1000
        if time_ms > end_ms:
            return
        while int(ticker["timestamp"]) // 1000 <= time_ms:
            writer.now_ms = int(ticker["timestamp"]) // 1000
            interest, last, mark = (float(ticker[name]) for name in ("open_interest", "index_price", "mark_price"))
            yield writer.ticker(mark, interest, index_price=last)
            ticker = next(tickers)
        window = time_ms // WINDOW_MS
        batch = [row]
        for row in trades:
            if int(row["timestamp"]) // 1000 // WINDOW_MS != window:
                break
            batch.append(row)
        writer.now_ms = int(batch[-1]["timestamp"]) // 1000
        for part in range(0, len(batch), 200):
            rows = batch[part : part + 200]
            yield writer.trades(
                [float(each["price"]) for each in rows],
                quantity_base=[float(each["amount"]) for each in rows],
                aggressor_side="".join("b" if each["side"] == "buy" else "s" for each in rows),
            )


def test_hours_of_a_real_market() -> None:
    fold, state, _ = start()
    emissions = feed(fold, state, _messages())
    grids = of_kind(emissions, "grid")
    assert len(grids) > HOURS * 1_500
    for emission in emissions[:: len(emissions) // 200]:
        parsed(emission)
    (market,) = state.markets.values()
    for side in (0, 1):
        ledger = market.ledger
        explained = market.standing(side) + ledger.consumed_base[side] + ledger.closed_base[side]
        assert ledger.deposited_base[side] == pytest.approx(explained, rel=1e-9)
        # Between two tickers, a minute, sweeps take little of it.
        assert market.standing(side) == pytest.approx(market.open_interest_base, rel=0.02)
        # A quiet day liquidates a small part of the open interest.
        assert 0 < ledger.consumed_base[side] < 0.1 * ledger.deposited_base[side]
    for grid in grids[::500]:
        scope = grid["scopes"]["aggregated"]
        bins = scope["first_bin"] + np.arange(len(scope["long_usd"]))
        mark_bin = np.log(scope["mark_price"]) / 0.001
        assert not scope["long_usd"][bins > mark_bin].any()
        assert not scope["short_usd"][bins < mark_bin - 1].any()
    hours = [each for each in of_kind(emissions, "column") if each["timeframe"] == "1h" and each["scope"] == "alpha"]
    assert len(hours) in (HOURS - 1, HOURS)
    assert 0.0005 < grids[-1]["sigma_1h"] < 0.02
    assert grids[-1]["provenance"]["coverage_share"] > 0.02
    assert len(fold.dump(state)) < 300_000


def test_a_restart_in_the_middle_changes_no_byte() -> None:
    fold, straight, _ = start()
    messages = list(islice(_messages(), 3_000))
    expected = [encode(emission) for emission in feed(fold, straight, messages)]
    state = fold.new(COIN)
    outputs = [encode(emission) for emission in feed(fold, state, messages[:1_777])]
    state = fold.load(fold.dump(state), COIN)
    outputs += [encode(emission) for emission in feed(fold, state, messages[1_777:])]
    assert outputs == expected
    assert fold.dump(state) == fold.dump(straight)
