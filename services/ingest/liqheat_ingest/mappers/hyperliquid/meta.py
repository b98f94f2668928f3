"""Hyperliquid's instruments with their tables of margin tiers."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.mappers.fields import (
    BadMessage,
    as_list,
    items_of,
    member,
    not_negative,
    positive,
    row,
    text,
    whole,
)
from liqheat_ingest.mappers.hyperliquid.market_data import context_fact
from liqheat_ingest.mappers.margin_tiers import ToldTier, margin_table
from liqheat_ingest.margin_tables import MarginTable
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Mapped

if TYPE_CHECKING:
    from liqheat_ingest.mappers.hyperliquid import HyperliquidMapper

#: An id below this is no table: it is the greatest leverage of a single tier.
FIRST_TABLE_ID = 50
_SOURCE = "Hyperliquid, POST /info meta; maintenance is half of the initial margin at the tier's greatest leverage"


def instruments(mapper: HyperliquidMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``meta``: the universe of perpetuals and the tables that they name."""
    _learn(mapper, raw, raw.data, out)


def instruments_and_contexts(mapper: HyperliquidMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``metaAndAssetCtxs``: the same, and a context for each market in the same order."""
    meta, contexts = row(raw.data, 2, "metaAndAssetCtxs")[:2]
    _learn(mapper, raw, meta, out)
    universe = items_of(meta, "universe")
    if as_list(contexts, "contexts").__len__() != len(universe):
        # Which context is whose is told by its place alone.
        raise BadMessage("invalid-field", f"{len(contexts)} contexts for {len(universe)} markets")

    def one(pair: Any) -> Fact | None:
        entry, context = pair
        spec = mapper.find(member(entry, "name"), "name")
        if spec is None or entry.get("isDelisted") is True:
            return None
        return context_fact(raw, spec, context)

    mapper.each(raw, "ticker", zip(universe, contexts, strict=True), one, out)


def _learn(mapper: HyperliquidMapper, raw: RawMessage, meta: Any, out: list[Mapped]) -> None:
    tables = dict(_table_of(entry) for entry in items_of(meta, "marginTables"))

    def one(entry: Any) -> Fact | None:
        name = text(entry, "name")
        coin, multiplier = _coin_of(name)
        if coin is None:
            mapper.instruments.rule_out(name, "a market of another exchange on the same chain")
            return None
        whole(member(entry, "szDecimals"), "szDecimals")
        spec = InstrumentSpec(
            mapper.market(coin, f"{name.upper()}/USDC:USDC"),
            "USDC",
            price_multiplier=multiplier,
            margin=_margin_of(entry, tables, raw.receive_time_ms),
        )
        return mapper.learn(raw, name, spec, listed=entry.get("isDelisted") is not True)

    mapper.each(raw, "instruments", items_of(meta, "universe"), one, out)


def _coin_of(name: str) -> tuple[str | None, float]:
    """Coin and multiplier: a small k before capitals is a thousand; a name with a colon is of another exchange."""
    if ":" in name:
        return None, 1.0
    if name[:1] == "k" and name[1:].isupper():
        return name[1:], 1000.0
    return name, 1.0


def _table_of(entry: Any) -> tuple[int, list[tuple[float, float]]]:
    """Id and (lower bound in USD, greatest leverage) of each tier."""
    columns = row(entry, 2, "margin table")
    tiers = [
        (not_negative(member(tier, "lowerBound"), "lowerBound"), positive(member(tier, "maxLeverage"), "maxLeverage"))
        for tier in items_of(columns[1], "marginTiers")
    ]
    if not tiers or tiers[0][0] != 0.0 or any(below[0] >= above[0] for below, above in pairwise(tiers)):
        raise BadMessage("invalid-field", f"margin table {columns[0]!r}: lower bounds do not rise from zero")
    return whole(columns[0], "margin table id"), tiers


def _margin_of(entry: Any, tables: dict[int, list[tuple[float, float]]], valid_from_ms: int) -> MarginTable:
    greatest = positive(member(entry, "maxLeverage"), "maxLeverage")
    number = whole(member(entry, "marginTableId"), "marginTableId")
    if number in tables:
        steps = tables[number]
    elif 0 < number < FIRST_TABLE_ID:
        steps = [(0.0, float(number))]
    else:
        raise BadMessage("invalid-field", f"margin table {number} is not in the message")
    if steps[0][1] != greatest:
        raise BadMessage("invalid-field", f"maxLeverage is {greatest:g}, that of margin table {number} {steps[0][1]:g}")
    caps: list[float | None] = [*(bound for bound, _ in steps[1:]), None]
    told = [ToldTier(cap, 0.5 / leverage, leverage) for cap, (_, leverage) in zip(caps, steps, strict=True)]
    return margin_table(told, valid_from_ms, _SOURCE)
