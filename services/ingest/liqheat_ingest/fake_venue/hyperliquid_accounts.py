"""Positions of the simulated accounts, as Hyperliquid tells them to everybody."""

from __future__ import annotations

from typing import Any

import numpy as np

from liqheat_ingest.fake_venue.accounts import Account, account_of
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.venue_server import VenueServer

#: Four accounts in five hold their position with cross margin; the position is all they have, so the rule is the same.
_CROSS_OF_TEN = 8


def clearinghouse_state(server: VenueServer, user: str) -> dict[str, Any]:
    """The answer to ``clearinghouseState``: the exact position of an account, or an empty account.

    The world's step runs up to a second ahead of what has been published, so a position that is liquidated within
    this second is already gone.
    """
    account = account_of(user)
    found = _find(server, account) if account is not None and account.side else None
    if account is None or found is None:
        return _state(server, [], 0.0, 0.0, 0.0, is_cross=False)
    one, i = found
    is_cross = account.number % 10 < _CROSS_OF_TEN
    book = one.market.longs if account.side > 0 else one.market.shorts
    quantity = int(book.lots[i]) * one.listing.quantity_step
    entry = float(book.entry_prices[i]) * one.listing.multiplier
    mark = one.mark_price * one.listing.multiplier
    signed = account.side * quantity
    margin = quantity * entry / float(book.leverage[i])
    profit = signed * (mark - entry)
    value = quantity * mark
    position = {
        "coin": one.symbol,
        "szi": one.quantity_text(account.side * int(book.lots[i])),
        "leverage": _leverage(float(book.leverage[i]), margin - signed * entry, is_cross),
        "entryPx": f"{entry:.8g}",
        "positionValue": f"{value:.6f}",
        "unrealizedPnl": f"{profit:.6f}",
        "returnOnEquity": f"{profit / margin:.10f}",
        "liquidationPx": _liquidation(float(book.liquidation_prices[i]) * one.listing.multiplier),
        "marginUsed": f"{value / float(book.leverage[i]) if is_cross else margin + profit:.6f}",
        "maxLeverage": int(one.listing.max_leverage),
        "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
    }
    used = value / float(book.leverage[i]) if is_cross else margin + profit
    row = {"type": "oneWay", "position": position}
    return _state(server, [row], margin + profit, value, used, is_cross=is_cross)


def _find(server: VenueServer, account: Account) -> tuple[FakeInstrument, int] | None:
    one = server.world.of_coin("hyperliquid", account.coin)
    if one is None:
        return None
    book = one.market.longs if account.side > 0 else one.market.shorts
    held = np.flatnonzero(book.accounts == account.number)
    return (one, int(held[0])) if len(held) else None


def _leverage(leverage: float, raw_usd: float, is_cross: bool) -> dict[str, Any]:
    """Whole numbers, as the venue has them; what a size's tier cut to a half is told as the next whole one."""
    value = max(1, round(leverage))
    if is_cross:
        return {"type": "cross", "value": value}
    return {"type": "isolated", "value": value, "rawUsd": f"{raw_usd:.6f}"}


def _liquidation(price: float) -> str | None:
    """``null`` where no price liquidates."""
    return f"{price:.10g}" if price > 0.0 else None


def _state(
    server: VenueServer, positions: list[Any], account_value: float, notional: float, used: float, *, is_cross: bool
) -> dict[str, Any]:
    """Sums of the account; the cross ones leave isolated positions out."""

    def summary(value: float, position: float, margin: float) -> dict[str, str]:
        return {
            "accountValue": f"{value:.6f}",
            "totalNtlPos": f"{position:.6f}",
            "totalRawUsd": f"{value - position:.6f}",
            "totalMarginUsed": f"{margin:.6f}",
        }

    whole = summary(account_value, notional, used)
    return {
        "marginSummary": whole,
        "crossMarginSummary": whole if is_cross else summary(0.0, 0.0, 0.0),
        "crossMaintenanceMarginUsed": f"{used / 2.0 if is_cross else 0.0:.6f}",
        "withdrawable": f"{max(0.0, account_value - used):.6f}",
        "assetPositions": positions,
        "time": server.now_ms,
    }
