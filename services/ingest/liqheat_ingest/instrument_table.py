"""The instruments of one venue, by the venue's own symbols: filled from its messages, with shipped defaults before.

A symbol is in one of four states: told by the venue (its contract size is known), a default (``find_instrument`` knows
how the venue counts), ruled out (the venue says it is a spot market, a future with an end, an option …), or unknown.
Only the first two are ever mapped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from liqheat_ingest.instruments import InstrumentSpec, find_instrument
from liqheat_ingest.margin_tables import MarginTable, Tier
from liqheat_ingest.readings import Market

#: More symbols than any venue lists; names beyond these are damage and are not remembered.
MAX_SYMBOLS = 20_000


#: Whether a market is to be mapped.
Wanted = Callable[[Market], bool]


def every_market(_: Market) -> bool:
    """All markets are wanted."""
    return True


class UnknownSymbol(LookupError):  # noqa: N818 - named for what it says of the symbol
    """No perpetual with known units has this symbol."""


class InstrumentTable:
    """What is known of a venue's symbols. Pure: no clock, no I/O.

    Parameters
    ----------
    venue : str
        As in the contracts.
    wanted : callable
        Whether a market is to be mapped.

    Examples
    --------
    >>> table = InstrumentTable("okx")
    >>> table.find("BTC-USDT-SWAP").contract_size
    0.01
    >>> table.find("NEWCOIN-USDT-SWAP")
    Traceback (most recent call last):
    liqheat_ingest.instrument_table.UnknownSymbol: no perpetual with known units: okx NEWCOIN-USDT-SWAP
    """

    def __init__(self, venue: str, wanted: Wanted = every_market) -> None:
        self.venue = venue
        self._wanted = wanted
        self._told: dict[str, InstrumentSpec] = {}
        self._listed: set[str] = set()
        self._ruled_out: dict[str, str] = {}
        #: None: known and not to be mapped.
        self._found: dict[str, InstrumentSpec | None] = {}
        self._by_market: dict[Market, InstrumentSpec] = {}
        self._symbols: dict[Market, str] = {}

    def find(self, symbol: str) -> InstrumentSpec | None:
        """How to read a symbol; None: it is to be passed over (not wanted, or no perpetual). Raises UnknownSymbol."""
        try:
            return self._found[symbol]
        except KeyError:
            return self._look_up(symbol)

    def learn(self, symbol: str, spec: InstrumentSpec, *, listed: bool = True) -> bool:
        """Note what the venue says of a symbol; whether that is news.

        Margin tiers known already are kept, with the date from which they held, where they are told again or not told.
        """
        if symbol not in self._told and len(self._told) >= MAX_SYMBOLS:
            return False
        known = self._told.get(symbol)
        if known is not None and known.margin is not None and _same_tiers(spec.margin, known.margin):
            spec = replace(spec, margin=known.margin)
        if listed:
            self._listed.add(symbol)
        else:
            self._listed.discard(symbol)
        if spec == known:
            return False
        self._told[symbol] = spec
        self._ruled_out.pop(symbol, None)
        self._found.pop(symbol, None)
        self._remember(symbol, spec)
        return True

    def keep_listed(self, symbols: Collection[str]) -> None:
        """These alone can be traded now; some venues leave out of their list what they have delisted."""
        self._listed.intersection_update(symbols)

    def learn_margin(self, symbol: str, margin: MarginTable, *, caps_within: float = 0.0) -> InstrumentSpec | None:
        """Note the margin tiers of a symbol; its spec if they are news, else None. Raises UnknownSymbol.

        Parameters
        ----------
        caps_within : float
            Caps that a venue tells in coins or contracts move with the mark: a change by this fraction is none.
        """
        spec = self._told.get(symbol) or self._default(symbol)
        if spec.margin is not None and _same_tiers(margin, spec.margin, caps_within):
            return None
        listed = symbol in self._listed or symbol not in self._told
        self.learn(symbol, replace(spec, margin=margin), listed=listed)
        return self._told.get(symbol)

    def rule_out(self, symbol: str, why: str) -> None:
        """Note that a symbol is no perpetual that could be mapped; its messages are passed over without a word."""
        if symbol not in self._told and len(self._ruled_out) < MAX_SYMBOLS:
            self._ruled_out[symbol] = why
            self._found[symbol] = None

    def choose(self, wanted: Wanted) -> None:
        """Map other markets from now on."""
        self._wanted = wanted
        self._found.clear()

    def listed(self) -> dict[str, InstrumentSpec]:
        """Perpetuals that the venue says can be traded now, by its symbols."""
        return {symbol: self._told[symbol] for symbol in sorted(self._listed)}

    def describe(self, market: Market) -> InstrumentSpec:
        """How to read a market that was found or learned before. Raises KeyError."""
        return self._by_market[market]

    def symbol_of(self, market: Market) -> str:
        """The venue's own symbol of a market that was found or learned before. Raises KeyError."""
        return self._symbols[market]

    def _look_up(self, symbol: str) -> InstrumentSpec | None:
        spec = self._told.get(symbol)
        if spec is None:
            if symbol in self._ruled_out:
                return None
            spec = self._default(symbol)
        found = spec if self._wanted(spec.market) else None
        if len(self._found) < MAX_SYMBOLS:
            self._found[symbol] = found
            self._remember(symbol, spec)
        return found

    def _default(self, symbol: str) -> InstrumentSpec:
        spec = find_instrument("okex-swap" if self.venue == "okx" else self.venue, symbol)
        if spec is None:
            raise UnknownSymbol(f"no perpetual with known units: {self.venue} {symbol[:60]}")
        return spec

    def _remember(self, symbol: str, spec: InstrumentSpec) -> None:
        self._by_market[spec.market] = spec
        self._symbols[spec.market] = symbol


def _same_tiers(told: MarginTable | None, known: MarginTable, caps_within: float = 0.0) -> bool:
    if told is None or told.tiers == known.tiers:
        return True
    if caps_within == 0.0 or len(told.tiers) != len(known.tiers):
        return False
    return all(_same_tier(new, old, caps_within) for new, old in zip(told.tiers, known.tiers, strict=True))


def _same_tier(new: Tier, old: Tier, caps_within: float) -> bool:
    if (new.maintenance_margin_rate, new.max_leverage) != (old.maintenance_margin_rate, old.max_leverage):
        return False
    new_cap, old_cap = new.notional_cap_usd or 0.0, old.notional_cap_usd or 0.0
    return abs(new_cap - old_cap) <= caps_within * old_cap
