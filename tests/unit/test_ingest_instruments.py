"""The instrument table, margin tables, pacing, and settings."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqheat_ingest.binance_margin_data import shipped
from liqheat_ingest.instruments import find_instrument, instrument_fields
from liqheat_ingest.mappers.binance_vision import utc_ms
from liqheat_ingest.margin_tables import MarginTable, margin_table
from liqheat_ingest.market_simulation.liquidation_price import isolated_liquidation_price
from liqheat_ingest.pacing import Pacer, parse_speed
from liqheat_ingest.settings import IngestSettings


@pytest.mark.parametrize(
    ("exchange", "symbol", "coin", "unified", "multiplier", "inverse", "contract_size"),
    [
        ("hyperliquid", "BTC", "BTC", "BTC/USDC:USDC", 1, False, 1),
        ("hyperliquid", "kBONK", "BONK", "KBONK/USDC:USDC", 1000, False, 1),
        ("binance-futures", "BTCUSDT", "BTC", "BTC/USDT:USDT", 1, False, 1),
        ("binance-futures", "1MBABYDOGEUSDT", "BABYDOGE", "1MBABYDOGE/USDT:USDT", 1_000_000, False, 1),
        ("binance-futures", "1000000MOGUSDT", "MOG", "1000000MOG/USDT:USDT", 1_000_000, False, 1),
        ("binance-futures", "1INCHUSDT", "1INCH", "1INCH/USDT:USDT", 1, False, 1),
        ("binance-delivery", "ETHUSD_PERP", "ETH", "ETH/USD:ETH", 1, True, 10),
        ("bybit", "BTCPERP", "BTC", "BTC/USDC:USDC", 1, False, 1),
        ("bybit", "BTCUSD", "BTC", "BTC/USD:BTC", 1, True, 1),
        ("okex-swap", "BTC-USDT-SWAP", "BTC", "BTC/USDT:USDT", 1, False, 0.01),
    ],
)
def test_a_market_is_found_by_the_name_that_files_give_it(
    exchange: str, symbol: str, coin: str, unified: str, multiplier: float, inverse: bool, contract_size: float
) -> None:
    spec = find_instrument(exchange, symbol)

    assert spec is not None
    assert (spec.market.coin, spec.market.symbol) == (coin, unified)
    assert (spec.price_multiplier, spec.is_inverse, spec.contract_size) == (multiplier, inverse, contract_size)


@pytest.mark.parametrize(
    ("exchange", "symbol"),
    [
        ("binance-futures", "BTCUSDT_240628"),
        ("binance-delivery", "BTCUSD_240628"),
        ("okex-swap", "PEPE-USDT-SWAP"),
        ("hyperliquid", "@107"),
        ("hyperliquid", "xyz:TSLA"),
        ("deribit", "BTC-PERPETUAL"),
        ("", ""),
    ],
)
def test_what_is_no_perpetual_with_known_units_is_not_found(exchange: str, symbol: str) -> None:
    assert find_instrument(exchange, symbol) is None


@given(st.sampled_from(["binance-futures", "hyperliquid", "bybit"]), st.floats(1e-9, 1e6), st.floats(0, 1e9))
def test_notional_is_the_same_in_units_of_the_coin(exchange: str, venue_price: float, amount: float) -> None:
    spec = find_instrument(exchange, {"hyperliquid": "kPEPE"}.get(exchange, "1000PEPEUSDT"))
    assert spec is not None
    notional = spec.price(venue_price) * spec.quantity_base(amount, venue_price)
    assert notional == pytest.approx(venue_price * amount)


def test_deductions_are_the_ones_that_the_venue_printed() -> None:
    """Binance's examples: BTC deducts 16,300 at 2.5 %, ETH 135,365 at 10 %."""
    btc, eth = (
        {
            tier.maintenance_margin_rate: tier
            for tier in margin_table("binance", coin, is_inverse=False, time_ms=0).tiers
        }
        for coin in ("BTC", "ETH")
    )

    assert btc[0.025].maintenance_amount_usd == 16_300
    assert eth[0.1].maintenance_amount_usd == 135_365


def test_every_shipped_table_is_one_that_can_be() -> None:
    """Caps and rates rise, and maintenance is below the initial margin; every table is used."""
    content, used = shipped(), set()
    for rows in content["tables"]:
        caps = [cap for cap, _, _ in rows]
        assert caps[:-1] == sorted(set(caps[:-1]))
        assert all(below[1] < above[1] and below[2] > above[2] for below, above in pairwise(rows))
        assert all(0 < rate < 1 / leverage for _, rate, leverage in rows)
    for snapshot in content["snapshots"]:
        assert snapshot["source"]
        assert snapshot["unverified"]
        used |= {int(number) for number in snapshot["markets_by_table"]}
        names = " ".join(snapshot["markets_by_table"].values()).split()
        assert len(names) == len(set(names))
    assert used == set(range(len(content["tables"])))
    days = [snapshot["known_from"] or "" for snapshot in content["snapshots"]]
    assert days == sorted(days)


def test_deductions_of_the_newest_table_are_the_ones_that_were_printed() -> None:
    """BTC in 2026: the twelfth bracket deducts 421,482,000; ETH's 280,507,000; SOL's tenth 66,731,475."""
    last = {coin: margin_table("binance", coin, is_inverse=False).tiers[-1] for coin in ("BTC", "ETH", "SOL")}
    assert [tier.maintenance_amount_usd for tier in last.values()] == [421_482_000, 280_507_000, 66_731_475]


def test_a_table_holds_from_its_day_on() -> None:
    from datetime import UTC, datetime

    def at(day: str, coin: str = "BTC", quote: str = "USDT") -> MarginTable:
        time_ms = round(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
        return margin_table("binance", coin, is_inverse=False, time_ms=time_ms, quote=quote)

    days = ["2021-07-22", "2022-10-02", "2024-09-30", "2025-08-18", "2025-08-19", "2026-09-29"]
    assert [at(day).tiers[0].max_leverage for day in days] == [125, 125, 125, 125, 150, 150]
    assert at("2025-08-19").valid_from_ms == 1_755_561_600_000
    assert margin_table("binance", "BTC", is_inverse=False) == at("2026-11-01")
    # Thousands are the coin; before its first known day a market has no table.
    assert at("2026-10-01", "PEPE").tiers[0].notional_cap_usd is not None
    assert at("2020-09-13", "BTC", "USDC").source.startswith("assumption")
    # Where the venue lists both, 1000000BOB is a coin of its own.
    assert at("2026-10-01", "1000000BOB") != at("2026-10-01", "BOB")


@pytest.mark.parametrize("venue", ["binance", "hyperliquid", "bybit", "okx", "sim-alpha", "sim-beta"])
@pytest.mark.parametrize("coin", ["BTC", "ETH", "SOL", "WIF"])
def test_tiers_are_continuous_and_rise(venue: str, coin: str) -> None:
    table = margin_table(venue, coin, is_inverse=False)

    assert table.tiers[0].notional_floor_usd == 0
    assert table.tiers[-1].notional_cap_usd is None
    for below, above in zip(table.tiers, table.tiers[1:], strict=False):
        floor = above.notional_floor_usd
        assert floor == below.notional_cap_usd
        assert above.maintenance_margin_rate > below.maintenance_margin_rate
        required = [floor * t.maintenance_margin_rate - t.maintenance_amount_usd for t in (below, above)]
        assert required[0] == pytest.approx(required[1])
    for tier in table.tiers:
        assert tier.maintenance_margin_rate < 1 / tier.max_leverage


def test_a_guess_says_that_it_is_one() -> None:
    for exchange, symbol in (("binance", "NOSUCHUSDT"), ("hyperliquid", "WIF"), ("bybit", "BTCUSDT")):
        spec = find_instrument(exchange, symbol)
        assert spec is not None
        assert instrument_fields(spec)["tiers_source"].startswith("assumption")


def test_liquidation_price_agrees_with_the_published_example() -> None:
    """Binance, isolated BTC long: wallet 1,535,443.01, deduction 16,300, 109.488 at 32,481.98, 2.5 %: 18,778.73.

    The position is 2.06 M at liquidation, which is the tier of 2.5 %.
    """
    quantity, entry, wallet = 109.488, 32_481.98, 1_535_443.01
    tiers = margin_table("binance", "BTC", is_inverse=False, time_ms=0).tiers

    price = isolated_liquidation_price(1, quantity, entry, quantity * entry / wallet, tiers)

    assert price == pytest.approx(18_778.73, abs=0.01)


@given(st.floats(1.1, 40), st.floats(0.01, 1000), st.sampled_from(["sim-alpha", "sim-beta"]))
def test_longs_are_liquidated_below_and_shorts_above_their_entry(leverage: float, quantity: float, venue: str) -> None:
    tiers = margin_table(venue, "BTC", is_inverse=False).tiers
    if quantity * 50_000 > (tiers[0].notional_cap_usd or inf):
        leverage = min(leverage, tiers[-1].max_leverage)

    assert isolated_liquidation_price(1, quantity, 50_000.0, leverage, tiers) < 50_000
    assert isolated_liquidation_price(-1, quantity, 50_000.0, leverage, tiers) > 50_000


def test_a_pacer_waits_in_proportion_and_never_for_history() -> None:
    pacer = Pacer(2.0, data_anchor_ms=1_000_000)

    assert pacer.delay_s(1_000, wall_ms=50) == 0.0
    assert pacer.delay_s(1_004_000, wall_ms=50) == 2.0
    assert pacer.delay_s(1_004_000, wall_ms=1_550) == 0.5
    assert pacer.delay_s(1_004_000, wall_ms=9_000) == 0.0
    assert Pacer(inf).delay_s(1 << 60, wall_ms=0) == 0.0
    # Started at 5,000 and first asked two seconds later: what fell due meanwhile is late, not postponed.
    assert Pacer(1.0, 5_000, 5_000).delay_s(8_000, wall_ms=7_000) == 1.0


@pytest.mark.parametrize("text", ["0", "-1", "fast", "inf", "nan", ""])
def test_a_speed_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a speed"):
        parse_speed(text)


@given(st.integers(0, 4_000_000_000))
def test_utc_times_agree_with_the_calendar(seconds: int) -> None:
    from datetime import UTC, datetime

    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    assert utc_ms(text.encode()) == seconds * 1000


def test_the_tail_has_a_longer_window() -> None:
    settings = IngestSettings()

    assert (settings.window_ms("BTC"), settings.window_ms("DOGE")) == (100, 1000)


@pytest.mark.parametrize("window", [0, 30, 2000])
def test_a_window_must_divide_a_second(window: int) -> None:
    with pytest.raises(ValueError, match="has to divide a second"):
        IngestSettings(ingest_batch_ms=window)
