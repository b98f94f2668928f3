"""OKX's trades, liquidations and candles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liqheat_ingest.mappers.candles import candle_fact, interval_ms
from liqheat_ingest.mappers.fields import (
    BadMessage,
    choice,
    has,
    items_of,
    member,
    not_negative,
    number_id,
    positive,
    row,
    show,
    size,
    time_ms,
    whole,
)
from liqheat_ingest.mappers.liquidations import liquidation_fact
from liqheat_ingest.mappers.okx.entries import asked, entries, in_order
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Mapped, Trade

if TYPE_CHECKING:
    from liqheat_ingest.mappers.okx import OkxMapper

_AGGRESSOR = {"buy": "b", "sell": "s"}
MAX_COUNT = 1_000_000
#: Side of the liquidation ORDER: who sells by force was long.
_LIQUIDATED = {"sell": "long", "buy": "short"}


def trades(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``trades``: ``side`` is the taker's, ``sz`` counts contracts.

    An entry may be several trades of one taker at one price: ``count`` of them, under the id of the last.
    """

    def one(entry: Any) -> Trade | None:
        spec = mapper.find(member(entry, "instId"))
        if spec is None:
            return None
        price = positive(member(entry, "px"), "px")
        return Trade(
            raw.receive_time_ms,
            spec.market,
            time_ms(member(entry, "ts"), "ts", raw.receive_time_ms),
            spec.price(price),
            spec.quantity_base(size(member(entry, "sz"), "sz"), price),
            choice(entry, "side", _AGGRESSOR),
            number_id(member(entry, "tradeId"), "tradeId"),
            _count(entry),
        )

    mapper.each(raw, "trades", in_order(raw), one, out)


def liquidations(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``liquidation-orders``: ALL details of each entry; ``bkPx`` is the bankruptcy price, ``sz`` counts contracts."""

    def details_of(entry: Any) -> None:
        spec = mapper.find(member(entry, "instId"))
        if spec is None:
            return

        def one(detail: Any) -> Fact:
            side = choice(detail, "side", _LIQUIDATED)
            if has(detail, "posSide") and detail["posSide"] not in (side, "net"):
                raise BadMessage("invalid-field", f"posSide {show(detail['posSide'])} with a liquidated {side}")
            return liquidation_fact(
                raw,
                spec,
                time_ms(member(detail, "ts"), "ts", raw.receive_time_ms),
                side,
                positive(member(detail, "bkPx"), "bkPx"),
                size(member(detail, "sz"), "sz"),
                "bankruptcy",
                "partial",
            )

        mapper.each(raw, "liquidations", items_of(entry, "details"), one, out)

    mapper.each(raw, "liquidations", entries(raw), details_of, out)


def candles(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``candle…``: columns time, o, h, l, c, volume in contracts, in the coin, in quote, and ``confirm``."""
    spec = mapper.find(asked(raw, "instId"))
    if spec is None:
        return
    length_ms = interval_ms(_bar(raw))

    def one(candle: Any) -> Fact | None:
        columns = row(candle, 9, "candle")
        if columns[8] not in ("0", "1"):
            raise BadMessage("invalid-field", f"confirm is neither 0 nor 1: {show(columns[8])}")
        if columns[8] == "0":
            return None
        prices = [positive(columns[i], name) for i, name in ((1, "o"), (2, "h"), (3, "l"), (4, "c"))]
        not_negative(columns[5], "vol")
        volume = not_negative(columns[6], "volCcy") * spec.price_multiplier
        return candle_fact(raw, spec, whole(columns[0], "ts"), length_ms, prices, volume, None)

    mapper.each(raw, "candles", in_order(raw), one, out)


def _count(entry: Any) -> int:
    """How many trades an entry is; before 2023 and in ``trades-all``, where it is not said, one."""
    if not has(entry, "count"):
        return 1
    count = whole(entry["count"], "count")
    if not 0 < count < MAX_COUNT:
        raise BadMessage("invalid-field", f"count is no number of trades: {show(entry['count'])}")
    return count


def _bar(raw: RawMessage) -> str:
    argument = raw.data.get("arg")
    bar = asked(raw, "channel").removeprefix("candle") if argument.__class__ is dict else asked(raw, "bar")
    return bar.removesuffix("utc")
