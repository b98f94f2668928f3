"""Positions of the simulated accounts, as Hyperliquid tells them to everybody."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from liqheat_ingest.fake_venue.accounts import Account, account_of
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.venue_server import VenueServer

#: Four accounts in five hold their position with cross margin; the position is all they have, so the rule is the same.
_CROSS_OF_TEN = 8


class _Held(NamedTuple):
    """A position in USD: signed size, entry and mark of the venue's unit, margin put in at opening."""

    one: FakeInstrument
    size: float
    entry: float
    mark: float
    leverage: float
    margin: float
    liquidation: float

    @property
    def value(self) -> float:
        """Notional at the mark."""
        return abs(self.size) * self.mark

    @property
    def profit(self) -> float:
        """Not realised."""
        return self.size * (self.mark - self.entry)

    @property
    def equity(self) -> float:
        """Margin and profit: all that the account has."""
        return self.margin + self.profit

    @property
    def maintenance_margin(self) -> float:
        """What the tier of the notional asks for."""
        for tier in self.one.market.longs.tiers:
            if tier.notional_cap_usd is None or self.value <= tier.notional_cap_usd:
                break
        return self.value * tier.maintenance_margin_rate - tier.maintenance_amount_usd


def clearinghouse_state(server: VenueServer, user: str) -> dict[str, Any]:
    """The answer to ``clearinghouseState``: the exact position of an account, or an empty account.

    The world's step runs up to a second ahead of what has been published, so a position that is liquidated within
    this second is already gone.
    """
    account = account_of(user)
    held = _find(server, account) if account is not None and account.side else None
    if account is None or held is None:
        return _state(server, [], None, is_cross=False)
    is_cross = account.number % 10 < _CROSS_OF_TEN
    position = {
        "coin": held.one.symbol,
        "szi": f"{held.size:.{held.one.listing.quantity_decimals}f}",
        "leverage": _leverage(held, is_cross),
        "entryPx": f"{held.entry:.8g}",
        "positionValue": f"{held.value:.6f}",
        "unrealizedPnl": f"{held.profit:.6f}",
        "returnOnEquity": f"{held.profit / held.margin:.10f}",
        # null where no price liquidates
        "liquidationPx": f"{held.liquidation:.10g}" if held.liquidation > 0.0 else None,
        "marginUsed": f"{held.value / held.leverage if is_cross else held.equity:.6f}",
        "maxLeverage": int(held.one.listing.max_leverage),
        "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
    }
    return _state(server, [{"type": "oneWay", "position": position}], held, is_cross=is_cross)


def _find(server: VenueServer, account: Account) -> _Held | None:
    one = server.world.of_coin("hyperliquid", account.coin)
    if one is None:
        return None
    book = one.market.longs if account.side > 0 else one.market.shorts
    found = np.flatnonzero(book.accounts == account.number)
    if not len(found):
        return None
    i, listing = int(found[0]), one.listing
    quantity = int(book.lots[i]) * listing.quantity_step
    entry, leverage = float(book.entry_prices[i]) * listing.multiplier, float(book.leverage[i])
    return _Held(
        one,
        account.side * quantity,
        entry,
        one.mark_price * listing.multiplier,
        leverage,
        quantity * entry / leverage,
        float(book.liquidation_prices[i]) * listing.multiplier,
    )


def _leverage(held: _Held, is_cross: bool) -> dict[str, Any]:
    """Whole numbers, as the venue has them; the exact margin is in ``rawUsd``, or in the account's value if cross."""
    value = max(1, round(held.leverage))
    if is_cross:
        return {"type": "cross", "value": value}
    return {"type": "isolated", "value": value, "rawUsd": f"{held.margin - held.size * held.entry:.6f}"}


def _state(server: VenueServer, positions: list[Any], held: _Held | None, *, is_cross: bool) -> dict[str, Any]:
    """Sums of the account; the cross ones leave isolated positions out."""
    empty = dict.fromkeys(("accountValue", "totalNtlPos", "totalRawUsd", "totalMarginUsed"), "0.0")
    whole, used, equity, maintenance = empty, 0.0, 0.0, 0.0
    if held is not None:
        equity = held.equity
        used = held.value / held.leverage if is_cross else equity
        maintenance = held.maintenance_margin if is_cross else 0.0
        whole = {
            "accountValue": f"{equity:.6f}",
            "totalNtlPos": f"{held.value:.6f}",
            "totalRawUsd": f"{equity - held.size * held.mark:.6f}",
            "totalMarginUsed": f"{used:.6f}",
        }
    return {
        "marginSummary": whole,
        "crossMarginSummary": whole if is_cross else empty,
        "crossMaintenanceMarginUsed": f"{maintenance:.6f}",
        "withdrawable": f"{max(0.0, equity - used):.6f}",
        "assetPositions": positions,
        "time": server.now_ms,
    }
