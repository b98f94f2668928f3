"""OKX's instruments and position tiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liqheat_ingest.instruments import InstrumentSpec, split_multiplier
from liqheat_ingest.mappers.fields import BadMessage, choice, has, member, not_negative, positive, show, text, whole
from liqheat_ingest.mappers.margin_tiers import CAPS_WITHIN, ToldTier, margin_table
from liqheat_ingest.mappers.okx.entries import entries
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Mapped

if TYPE_CHECKING:
    from liqheat_ingest.mappers.okx import OkxMapper

#: ``instCategory`` of coins; others are stocks, metals, currencies, with names that elsewhere are coins.
CRYPTO = 1
_NOT_OPEN_YET = frozenset({"preopen", "test"})
_NO_SWAPS = frozenset({"SPOT", "MARGIN", "FUTURES", "OPTION"})
_DOLLARS = frozenset({"USD", "USDT", "USDC", "USDG"})
_INVERSE = {"linear": "", "inverse": "inverse"}


def instruments(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``instruments``: a contract of a linear swap is ``ctVal`` coins, of an inverse one ``ctVal`` USD."""

    def one(entry: Any) -> Fact | None:
        symbol = text(entry, "instId")
        kind = text(entry, "instType")
        if kind in _NO_SWAPS:
            return None  # its name tells it: see OkxMapper.find
        if kind != "SWAP":
            raise BadMessage("unknown-type", f"an instrument of type {show(kind)}")
        if has(entry, "instCategory") and whole(entry["instCategory"], "instCategory") != CRYPTO:
            mapper.instruments.rule_out(symbol, "no swap on a coin")
            return None
        if text(entry, "state") in _NOT_OPEN_YET and not has(entry, "ctVal"):
            return None  # announced, its contract is not decided
        parts = symbol.split("-")
        if len(parts) != 3 or parts[2] != "SWAP":
            raise BadMessage("invalid-field", f"no name of a swap: {symbol!r}")
        base, quote = parts[0], parts[1].partition("_")[0]
        inverse = choice(entry, "ctType", _INVERSE) == "inverse"
        counted_in, settle = text(entry, "ctValCcy"), text(entry, "settleCcy")
        settled_in = {base} if inverse else {quote, *_DOLLARS}
        if counted_in != ("USD" if inverse else base) or settle not in settled_in:
            kind = "an inverse" if inverse else "a linear"
            raise BadMessage("invalid-field", f"{symbol}: {kind} swap counted in {counted_in}, settled in {settle}")
        coin, multiplier = split_multiplier(base)
        spec = InstrumentSpec(
            mapper.market(coin, f"{base}/{quote}:{settle}"),
            quote,
            is_inverse=inverse,
            contract_size=positive(member(entry, "ctVal"), "ctVal") * positive(member(entry, "ctMult"), "ctMult"),
            price_multiplier=multiplier,
            tick_size=positive(member(entry, "tickSz"), "tickSz"),
        )
        index = text(entry, "uly") if has(entry, "uly") else f"{base}-{quote}"
        fact = mapper.learn(raw, symbol, spec, listed=text(entry, "state") == "live")
        mapper.swaps_of_index.setdefault(index, set()).add(symbol)
        return fact

    mapper.each(raw, "instruments", entries(raw), one, out)


def position_tiers(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``position-tiers`` of swaps: bounds in contracts, so those of a linear swap take its mark price.

    A rate holds for the whole position, so nothing is deducted.
    """
    told: dict[str, list[Any]] = {}

    def gather(entry: Any) -> None:
        symbol = text(entry, "instId") if has(entry, "instId") else f"{text(entry, 'instFamily')}-SWAP"
        told.setdefault(symbol, []).append(entry)

    def one(symbol: str) -> Fact | None:
        spec = mapper.find(symbol)
        if spec is None:
            return None
        mark = 1.0 if spec.is_inverse else mapper.mark_prices.get(symbol)
        if mark is None:
            raise BadMessage("invalid-field", f"the tiers of {symbol} are in contracts: no mark price yet")
        usd_per_contract = spec.contract_size * mark
        tiers = [_tier(entry, usd_per_contract) for entry in told[symbol]]
        at = "" if spec.is_inverse else f", contracts at a mark price of {mark:g}"
        source = f"OKX, GET /api/v5/public/position-tiers{at}; the rate holds for the whole position"
        table = margin_table(tiers, raw.receive_time_ms, source, marginal=False)
        if mapper.instruments.learn_margin(symbol, table, caps_within=0.0 if spec.is_inverse else CAPS_WITHIN) is None:
            return None
        return mapper.instrument_fact(raw, symbol)

    before = len(out)
    mapper.each(raw, "instruments", entries(raw), gather, out)
    if len(out) > before:
        return  # a row that can't be read may be anybody's, so no table is known to be whole
    for symbol, rows in told.items():
        numbers = sorted(whole(member(entry, "tier"), "tier") for entry in rows)
        if numbers != list(range(1, len(numbers) + 1)):
            raise BadMessage("invalid-field", f"tiers of {symbol} are missing: there are {numbers[:20]}")
    mapper.each(raw, "instruments", told, one, out)


def _tier(entry: Any, usd_per_contract: float) -> ToldTier:
    least = not_negative(member(entry, "minSz"), "minSz")
    greatest = positive(member(entry, "maxSz"), "maxSz")
    if least >= greatest:
        raise BadMessage("invalid-field", f"a tier from {least:g} to {greatest:g} contracts")
    return ToldTier(
        greatest * usd_per_contract,
        positive(member(entry, "mmr"), "mmr"),
        positive(member(entry, "maxLever"), "maxLever"),
    )
