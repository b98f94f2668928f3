"""Accounts seen in Hyperliquid's trades, ranked by what they trade: whose positions are worth asking for. Pure.

The table is bounded and forgets: amounts lose half their weight in ``half_life_ms``. Whoever holds a position we have
published is kept until that position is closed. A position that stands unchanged is told again every
``CONFIRM_EVERY_MS``: the map takes one that is not told for an hour for an estimate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Market

#: A position is told again after this long, so that whoever reads the log knows that somebody still looks at it.
CONFIRM_EVERY_MS = 10 * 60_000
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class _Told(NamedTuple):
    fields: dict[str, Any]
    at_ms: int


@dataclass(slots=True)
class _Account:
    traded_usd: float
    at_ms: int
    asked_ms: int = 0
    #: Markets in which a position was published, with its fields and when.
    open: dict[Market, _Told] = field(default_factory=dict)


class AccountTable:
    """The accounts worth asking for.

    Parameters
    ----------
    most : int
        Accounts kept.
    half_life_ms : int
        Time in which a traded amount loses half its weight.

    Examples
    --------
    >>> table = AccountTable(most=2, half_life_ms=3_600_000)
    >>> small, large, middle = ("0x" + digit * 40 for digit in "123")
    >>> for account, usd in ((small, 10.0), (large, 1_000.0), (middle, 500.0)):
    ...     table.traded(account, usd, now_ms=0)
    >>> [account[:4] for account in table.due(now_ms=60_000, every_ms=30_000, count=9)]
    ['0x22', '0x33']
    """

    def __init__(self, most: int, half_life_ms: int) -> None:
        self._most = most
        self._half_life_ms = half_life_ms
        self._accounts: dict[str, _Account] = {}
        self._orphans: list[tuple[Market, dict[str, Any]]] = []

    def __len__(self) -> int:
        return len(self._accounts)

    def note(self, raw: RawMessage) -> None:
        """Take the accounts of a trades message; anything else is passed over."""
        data = raw.data
        if data.__class__ is not dict or data.get("channel") != "trades" or data.get("data").__class__ is not list:
            return
        for trade in data["data"]:
            try:
                usd = float(trade["px"]) * float(trade["sz"])
                users = trade["users"]
            except (KeyError, TypeError, ValueError):
                continue
            if users.__class__ is list and 0.0 < usd < 1e12:
                for user in users[:2]:
                    if user.__class__ is str:
                        self.traded(user, usd, raw.receive_time_ms)

    def traded(self, account: str, usd: float, now_ms: int) -> None:
        """An account was one side of a trade."""
        known = self._accounts.get(account)
        if known is not None:
            known.traded_usd = self._weight(known, now_ms) + usd
            known.at_ms = now_ms
        elif _ADDRESS.fullmatch(account):
            self._accounts[account] = _Account(usd, now_ms)
            if len(self._accounts) > self._most + max(1, self._most // 4):
                self._shrink(now_ms)

    def resume(self, account: str, market: Market, fields: dict[str, Any], now_ms: int) -> None:
        """An earlier owner published this position: its account is asked for before those that never had one."""
        known = self._accounts.get(account)
        if known is None:
            if len(self._accounts) >= self._most or not _ADDRESS.fullmatch(account):
                return
            known = self._accounts[account] = _Account(0.0, now_ms)
        known.open[market] = _Told(fields, 0)

    def due(self, now_ms: int, every_ms: int, count: int) -> list[str]:
        """Accounts to ask for next, by weight; each again after ``every_ms``, those with open positions first."""
        waiting = [
            (bool(entry.open), self._weight(entry, now_ms), account)
            for account, entry in self._accounts.items()
            if now_ms - entry.asked_ms >= every_ms
        ]
        waiting.sort(reverse=True)
        return [account for _, _, account in waiting[: min(count, self._most)]]

    def asked(self, account: str, now_ms: int) -> None:
        """The account was asked for."""
        known = self._accounts.get(account)
        if known is not None:
            known.asked_ms = now_ms

    def told(self, account: str, positions: list[Fact], now_ms: int) -> list[Fact]:
        """All that is to be published of an account: its positions, and zero for each that is no more.

        Parameters
        ----------
        positions : list of Fact
            ``on-chain-position`` facts of the chosen markets, all of one answer.
        """
        known = self._accounts.get(account)
        if known is None:
            return []
        now = {fact.market: fact for fact in positions if fact.fields["quantity_base"] > 0}
        found = []
        for market, before in list(known.open.items()):
            replaced = now.get(market)
            if replaced is None or replaced.fields["side"] != before.fields["side"]:
                closed = before.fields | {"quantity_base": 0.0}
                found.append(Fact(now_ms, market, now_ms, "on-chain-position", closed, None))
                del known.open[market]
        for market, fact in now.items():
            told = known.open.get(market)
            if told is None or told.fields != fact.fields or now_ms - told.at_ms >= CONFIRM_EVERY_MS:
                found.append(fact)
                known.open[market] = _Told(fact.fields, now_ms)
        return found

    def orphans(self, now_ms: int) -> list[Fact]:
        """Positions of accounts that had to make room: as closed, because nobody will look at them again."""
        orphans, self._orphans = self._orphans, []
        return [
            Fact(now_ms, market, now_ms, "on-chain-position", fields | {"quantity_base": 0.0}, None)
            for market, fields in orphans
        ]

    def positions(self) -> int:
        """Positions published and not closed."""
        return sum(len(entry.open) for entry in self._accounts.values())

    def _weight(self, entry: _Account, now_ms: int) -> float:
        return float(entry.traded_usd * 0.5 ** (max(0, now_ms - entry.at_ms) / self._half_life_ms))

    def _shrink(self, now_ms: int) -> None:
        ranked = sorted(
            self._accounts.items(), key=lambda pair: (bool(pair[1].open), self._weight(pair[1], now_ms)), reverse=True
        )
        self._accounts = dict(ranked[: self._most])
        for _, entry in ranked[self._most :]:
            self._orphans += [(market, told.fields) for market, told in entry.open.items()]
