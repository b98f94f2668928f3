"""Real messages with one thing wrong: the oracle of ``message_mutations`` on the captures."""

from __future__ import annotations

import copy
import pickle
from collections import defaultdict
from typing import Any

import pytest

from liqheat_ingest.mappers import mapper_of
from liqheat_ingest.mappers.mapper import VenueMapper
from liqheat_ingest.raw import RawMessage
from message_mutations import check
from venue_captures import bybit_liquidations, capture, force_orders

#: Messages of each kind that are damaged.
OF_EACH_KIND = 2
#: Instruments that are kept of an answer about hundreds.
KEPT = 4


def trimmed(raw: RawMessage) -> RawMessage:
    """An answer about all instruments with a few of them, a snapshot of a book with its best levels."""
    wanted = ("BTCUSDT", "ETHUSDT", "SUSHIUSDT", "CTKUSDT", "UNI-USD-SWAP", "BTC-USDT-SWAP")
    data = copy.deepcopy(raw.data)
    for owner, name in ((data, "symbols"), (data.get("result", {}), "list"), (data, "data")):
        entries = owner.get(name)
        if isinstance(entries, list) and len(entries) > 20:
            chosen = [e for e in entries if (e.get("symbol") or e.get("instId")) in wanted]
            owner[name] = chosen + [e for e in entries if e not in chosen][: KEPT - len(chosen)]
    for side in ("bids", "asks"):
        if side in data:
            data[side] = data[side][: 2 * KEPT]
    return raw._replace(data=data)


def kind_of(mapper: VenueMapper, raw: RawMessage) -> str | None:
    kind = mapper.kind_of(raw)
    shape = raw.data.get("type") or raw.data.get("action") or ""
    return None if kind is None else f"{kind} {shape}"


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx"])
def test_a_damaged_real_message_is_named_or_harmless(venue: str) -> None:
    mapper = mapper_of(venue)
    checked: dict[str, int] = defaultdict(int)
    damages = 0
    for message in capture(venue):
        raw = trimmed(message) if message.channel.startswith("rest:") else message
        kind = kind_of(mapper, raw)
        # Depths are shown once a second; the others of a book tell only what goes into the next.
        if kind is not None and checked[kind] < OF_EACH_KIND and copy.deepcopy(mapper).map(raw):
            checked[kind] += 1
            before = pickle.dumps(mapper)
            damages += check(lambda before=before: pickle.loads(before), raw)  # type: ignore[misc]
        mapper.map(raw)

    assert damages > 500
    assert sum(checked.values()) >= 6


@pytest.mark.parametrize(
    ("venue", "channel"), [("binance", "ws:/market/ws"), ("bybit", "ws:/v5/public/linear")], ids=["forceOrder", "all"]
)
def test_a_damaged_real_liquidation_is_named_or_harmless(venue: str, channel: str) -> None:
    messages: list[tuple[int, Any]] = []
    if venue == "binance":
        messages = [(order["E"], order) for order in force_orders()[:3]]
    else:
        for entry in bybit_liquidations()[:3]:
            data = {"topic": f"allLiquidation.{entry['s']}", "type": "snapshot", "ts": entry["T"], "data": [entry]}
            messages.append((entry["T"], data))

    for at_ms, data in messages:
        assert check(lambda: mapper_of(venue), RawMessage(venue, channel, at_ms, data)) > 60
