"""Which markets are watched: coins by list or the largest by open interest, and the shard's part of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from liqheat_ingest.readings import Market
from liqheat_ingest.sources.live.connection_plan import shard_of
from liqheat_ingest.sources.live.venues.feed import Listed

_COIN = re.compile(r"[A-Z0-9]{1,20}")
MOST_COINS = 1_000


@dataclass(frozen=True, slots=True)
class CoinChoice:
    """What was asked for.

    Attributes
    ----------
    coins : tuple of str
        By name; empty: the ``top`` ones.
    top : int
        How many of the largest.
    shard, shards : int
        Only coins of this shard, of so many.

    Examples
    --------
    >>> CoinChoice.parse("top:50", "1/4")
    CoinChoice(coins=(), top=50, shard=1, shards=4)
    >>> CoinChoice.parse("BTC,ETH", "0/1").choose({}, ["BTC", "SOL", "ETH"])
    ['BTC', 'ETH']
    >>> CoinChoice.parse("top:1", "0/1").choose({"BTC": 5.0, "ETH": 2.0}, ["ETH", "BTC"])
    ['BTC']
    """

    coins: tuple[str, ...]
    top: int
    shard: int = 0
    shards: int = 1

    @classmethod
    def parse(cls, coins: str, shard: str) -> CoinChoice:
        """Read ``BTC,ETH`` or ``top:50``, and ``i/n``. Raises ValueError with a sentence."""
        number, slash, count = shard.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal() and int(number) < int(count)):
            raise ValueError(f"a shard is written i/n with i from 0 to n-1, not {shard!r}")
        part = {"shard": int(number), "shards": int(count)}
        if coins.startswith("top:"):
            top = coins.removeprefix("top:")
            if not (top.isdecimal() and 1 <= int(top) <= MOST_COINS):
                raise ValueError(f"top:N takes a number from 1 to {MOST_COINS}, not {coins!r}")
            return cls((), int(top), **part)
        named = tuple(dict.fromkeys(coins.split(",")))
        wrong = [coin for coin in named if not _COIN.fullmatch(coin)]
        if wrong or len(named) > MOST_COINS:
            raise ValueError(f"coins are written BTC,ETH or top:50, not {coins[:60]!r}")
        return cls(named, 0, **part)

    def choose(self, sizes_usd: Mapping[str, float], listed: Iterable[str]) -> list[str]:
        """The coins of this shard, largest first.

        Parameters
        ----------
        sizes_usd : mapping
            Open interest by coin, over all venues.
        listed : iterable of str
            Coins that have a market.
        """
        available = set(listed)
        if self.coins:
            chosen = [coin for coin in self.coins if coin in available]
        else:
            ordered = sorted(available, key=lambda coin: (-sizes_usd.get(coin, 0.0), coin))
            chosen = ordered[: self.top]
        return [coin for coin in chosen if shard_of(coin, self.shards) == self.shard]


def markets_of(coins: Iterable[str], listed: Iterable[Listed]) -> list[Listed]:
    """The markets of chosen coins, in the order of the coins: the busiest first.

    Of two listings with one name in the contracts the first counts.
    """
    order = {coin: number for number, coin in enumerate(coins)}
    found: dict[Market, Listed] = {}
    for entry in listed:
        if entry.market.coin in order:
            found.setdefault(entry.market, entry)
    return sorted(found.values(), key=lambda entry: (order[entry.market.coin], entry.symbol))


def changes(before: Iterable[Listed], after: Iterable[Listed]) -> tuple[list[Listed], list[Listed]]:
    """Markets that are new and markets that are gone."""
    old, new = {entry.market: entry for entry in before}, {entry.market: entry for entry in after}
    return (
        [entry for market, entry in new.items() if market not in old],
        [entry for market, entry in old.items() if market not in new],
    )
