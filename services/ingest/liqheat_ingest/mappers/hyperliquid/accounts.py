"""The accounts that the trade feed names: candidates whose positions can be asked for."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from liqheat_ingest.mappers.fields import BadMessage, positive
from liqheat_ingest.raw import RawMessage

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class SeenAccount(NamedTuple):
    """An account on one side of a trade."""

    address: str
    symbol: str
    notional_usd: float


def is_address(value: Any) -> bool:
    """Whether it is an account's address."""
    return value.__class__ is str and _ADDRESS.fullmatch(value) is not None


def trade_accounts(raw: RawMessage) -> list[SeenAccount]:
    """Buyer and seller of each trade of a ``trades`` message; of any other message, none.

    What is wrong with a trade is the mapper's to report; here it is passed over.

    Examples
    --------
    >>> buyer, seller = "0x" + "1" * 40, "0x" + "2" * 40
    >>> data = {"channel": "trades", "data": [{"coin": "BTC", "side": "B", "px": "60000", "sz": "0.5",
    ...     "time": 1791066738000, "tid": 1, "users": [buyer, seller]}]}
    >>> [(seen.address[:3], seen.notional_usd) for seen in trade_accounts(RawMessage("hyperliquid", "", 0, data))]
    [('0x1', 30000.0), ('0x2', 30000.0)]
    """
    data = raw.data
    if data.__class__ is not dict or data.get("channel") != "trades" or data.get("data").__class__ is not list:
        return []
    seen: list[SeenAccount] = []
    for trade in data["data"]:
        if trade.__class__ is not dict or trade.get("users").__class__ is not list:
            continue
        try:
            notional = positive(trade.get("px"), "px") * positive(trade.get("sz"), "sz")
        except BadMessage:
            continue
        seen += [SeenAccount(user, str(trade.get("coin")), notional) for user in trade["users"] if is_address(user)]
    return seen
