"""The map of a scope: several markets' maps on one row of bins, in whole USD."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from liqheat_estimator.core.bins import Floats, Integers
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.parameters import LONG, SHORT

Version = tuple[tuple[str, str, int], ...]


class ScopeMap(NamedTuple):
    """USD by side and bin, shape (2, bins), from absolute bin ``first_bin`` on. Not to be written to."""

    first_bin: int
    usd: Floats


class TrimmedMap(NamedTuple):
    """The non-empty part of a map in whole USD."""

    first_bin: int
    long_usd: Integers
    short_usd: Integers


@dataclass(slots=True)
class ScopeCache:
    """Maps of scopes as long as no market of theirs changes. Holds nothing that can't be computed again."""

    maps: dict[str, tuple[Version, ScopeMap]] = field(default_factory=dict)
    trimmed: dict[str, tuple[Version, TrimmedMap]] = field(default_factory=dict)

    def map_of(self, scope: str, markets: list[MarketState]) -> ScopeMap:
        """Sum of the markets' maps."""
        version = _version(markets)
        cached = self.maps.get(scope)
        if cached is None or cached[0] != version:
            cached = self.maps[scope] = version, sum_maps([ScopeMap(*market.map_usd()) for market in markets])
        return cached[1]

    def trimmed_of(self, scope: str, markets: list[MarketState]) -> TrimmedMap:
        """The same in whole USD without the empty ends. Scopes of the same single market share their arrays."""
        version = _version(markets)
        cached = self.trimmed.get(scope)
        if cached is None or cached[0] != version:
            same = (entry for entry in self.trimmed.values() if entry[0] == version)
            cached = next(same, None) or (version, trim(self.map_of(scope, markets)))
            self.trimmed[scope] = cached
        return cached[1]


def _version(markets: list[MarketState]) -> Version:
    return tuple((market.venue, market.symbol, market.map_version) for market in markets)


def sum_maps(maps: list[ScopeMap]) -> ScopeMap:
    """Sum maps by absolute bin, in their order."""
    if len(maps) == 1:
        return maps[0]
    first = min(first_bin for first_bin, _ in maps)
    end = max(first_bin + usd.shape[1] for first_bin, usd in maps)
    total = np.zeros((2, end - first))
    for first_bin, usd in maps:
        total[:, first_bin - first : first_bin - first + usd.shape[1]] += usd
    return ScopeMap(first, total)


def trim(scope_map: ScopeMap) -> TrimmedMap:
    """Round to whole USD and cut the empty ends off.

    >>> trimmed = trim(ScopeMap(10, np.array([[0.0, 5.4, 0.0], [0.0, 0.0, 0.2]])))
    >>> trimmed.first_bin, trimmed.long_usd.tolist(), trimmed.short_usd.tolist()
    (11, [5], [0])
    """
    whole = np.rint(scope_map.usd).astype(np.int64)
    whole.setflags(write=False)  # what can't change is formatted once
    filled = np.flatnonzero(whole[LONG] | whole[SHORT])
    if len(filled) == 0:
        return TrimmedMap(scope_map.first_bin + whole.shape[1] // 2, whole[LONG, :0], whole[SHORT, :0])
    start, end = int(filled[0]), int(filled[-1]) + 1
    return TrimmedMap(scope_map.first_bin + start, whole[LONG, start:end], whole[SHORT, start:end])


def mark_price_of(markets: list[MarketState]) -> float:
    """Mean of the marks by open interest, plain mean while no market has any."""
    if len(markets) == 1:
        return markets[0].mark_price or 0.0
    weights = [market.open_interest_usd() for market in markets]
    prices = [market.mark_price or 0.0 for market in markets]
    total = sum(weights)
    if total <= 0:
        return sum(prices) / len(prices)
    return sum(price * weight for price, weight in zip(prices, weights, strict=True)) / total


def scope_grid(cache: ScopeCache, scope: str, markets: list[MarketState]) -> dict[str, Any]:
    """Value of ``ScopeGrid``."""
    trimmed = cache.trimmed_of(scope, markets)
    return {
        "first_bin": trimmed.first_bin,
        "long_usd": trimmed.long_usd,
        "short_usd": trimmed.short_usd,
        "consumed_long_usd": sum(market.ledger.consumed_usd[LONG] for market in markets),
        "consumed_short_usd": sum(market.ledger.consumed_usd[SHORT] for market in markets),
        "open_interest_usd": sum(market.open_interest_usd() for market in markets),
        "mark_price": mark_price_of(markets),
    }
