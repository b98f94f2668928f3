"""The control endpoint: faults on demand, and what was really sent. On a loopback port of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from math import isfinite, log1p
from typing import Any

import orjson
from aiohttp import web

from liqheat_ingest.fake_venue.answers import json_response
from liqheat_ingest.fake_venue.burst import Burst, start_burst
from liqheat_ingest.fake_venue.faults import until
from liqheat_ingest.fake_venue.venue_server import VenueServer
from liqheat_ingest.fake_venue.world import World


class ControlError(ValueError):
    """A control message that makes no sense, with the reason."""


class Control:
    """Answers ``GET /control``, ``POST /control`` and ``GET /truth``.

    Parameters
    ----------
    world : World
        The markets.
    servers : mapping of str to VenueServer
        The venues that are served.
    status : callable
        More fields of the status: speed, lag.

    Notes
    -----
    A message is ``{"action": …, "venue": name or "*", …}``; the actions are in docs/fake-venue.md. An unknown action,
    venue or field is refused with 400 and a reason, and changes nothing.
    """

    def __init__(self, world: World, servers: Mapping[str, VenueServer], status: Callable[[], dict[str, Any]]) -> None:
        self._world = world
        self._servers = servers
        self._status = status
        self.bursts: list[Burst] = []
        self._actions: dict[str, Callable[[VenueServer, dict[str, Any]], Any]] = {
            "disconnect": self._disconnect,
            "stall": self._timed("stall_until_s"),
            "stale-books": self._timed("stale_books_until_s"),
            "rest-outage": self._timed("rest_outage_until_s"),
            "refuse": self._timed("refuse_until_s"),
            "throttle": self._throttle,
            "restart": self._restart,
            "clock-skew": self._clock_skew,
            "future-format": self._future_format,
            "burst": self._burst,
            "list": self._list,
            "delist": self._delist,
            "reset": self._reset,
        }

    def application(self) -> web.Application:
        """The server of the control endpoint."""
        app = web.Application()
        app.router.add_get("/control", self._get)
        app.router.add_post("/control", self._post)
        app.router.add_get("/truth", self._truth)
        return app

    async def _get(self, request: web.Request) -> web.Response:
        wanted = request.query.get("venue", "")
        names = [wanted] if wanted in self._servers else list(self._servers)
        return json_response(self.state(names), 200, {})

    async def _post(self, request: web.Request) -> web.Response:
        try:
            message = orjson.loads(await request.read())
            return json_response(self.act(message), 200, {})
        except (ControlError, orjson.JSONDecodeError) as error:
            return json_response({"error": str(error)}, 400, {})

    async def _truth(self, request: web.Request) -> web.Response:
        """The true map of a market: what an estimate of it can be held against."""
        venue, symbol = request.query.get("venue", ""), request.query.get("symbol", "")
        one = self._world.by_venue.get(venue, {}).get(symbol)
        if one is None:
            return json_response({"error": f"no market {symbol!r} at {venue!r}"}, 400, {})
        density = one.market.true_density()
        truth = {
            "now_ms": self._world.now_ms,
            "mark_price": one.mark_price,
            "open_interest_base": one.market.open_interest_base,
            "first_bin": density.first_bin,
            "long_usd": density.long_usd.tolist(),
            "short_usd": density.short_usd.tolist(),
        }
        return json_response(truth, 200, {})

    def state(self, venues: list[str]) -> dict[str, Any]:
        """Time, faults, what was generated and what was sent."""
        now_s = asyncio.get_running_loop().time()
        return {
            **self._status(),
            "venues": {
                name: {
                    "faults": self._servers[name].faults.as_json(now_s),
                    "connections": len(self._servers[name].connections),
                    "sent": self._servers[name].ledger.as_json(),
                    "generated": _generated(self._servers[name]),
                }
                for name in venues
            },
        }

    def act(self, message: Any) -> dict[str, Any]:
        """Do what a message asks for.

        Raises
        ------
        ControlError
            Where it makes no sense; nothing has changed.
        """
        if not isinstance(message, dict):
            raise ControlError("a control message is a JSON object")
        fields = dict(message)
        action, venue = fields.pop("action", None), fields.pop("venue", "*")
        if action == "shock":
            return {"done": self._shock(fields)}
        if action not in self._actions:
            raise ControlError(f"no action {action!r}; there are: shock, {', '.join(self._actions)}")
        if venue != "*" and venue not in self._servers:
            raise ControlError(f"no venue {venue!r}; there are: *, {', '.join(self._servers)}")
        chosen = list(self._servers) if venue == "*" else [venue]
        done = {name: self._actions[action](self._servers[name], dict(fields)) for name in chosen}
        return {"done": done}

    # Actions ---------------------------------------------------------------------------------------------------------

    def _timed(self, name: str) -> Callable[[VenueServer, dict[str, Any]], float | None]:
        def act(server: VenueServer, fields: dict[str, Any]) -> float | None:
            seconds = _seconds(fields, "seconds")
            _nothing_else(fields)
            setattr(server.faults, name, until(asyncio.get_running_loop().time(), seconds))
            return seconds

        return act

    def _disconnect(self, server: VenueServer, fields: dict[str, Any]) -> dict[str, Any]:
        """Once, now; with ``every_s`` again and again (0: no more)."""
        kind = fields.pop("kind", "clean")
        every_s = fields.pop("every_s", None)
        _nothing_else(fields)
        if kind not in ("clean", "reset"):
            raise ControlError(f"kind is clean or reset, not {kind!r}")
        faults = server.faults
        if every_s is None:
            return {"disconnected": server.disconnect_all(kind)}
        faults.disconnect_every_s = _number(every_s, "every_s", 0.0, 86_400.0)
        faults.disconnect_kind = kind
        faults.next_disconnect_s = asyncio.get_running_loop().time() + faults.disconnect_every_s
        return {"every_s": faults.disconnect_every_s}

    def _throttle(self, server: VenueServer, fields: dict[str, Any]) -> dict[str, Any]:
        status = fields.pop("status", 429)
        retry_after_s = int(_number(fields.pop("retry_after_s", 1), "retry_after_s", 0, 86_400))
        seconds = _seconds(fields, "seconds")
        _nothing_else(fields)
        if status not in (403, 418, 429):
            raise ControlError(f"status is 403, 418 or 429, not {status!r}")
        faults = server.faults
        faults.throttle_status, faults.throttle_retry_after_s = status, retry_after_s
        faults.throttle_until_s = until(asyncio.get_running_loop().time(), seconds)
        return {"status": status, "seconds": seconds}

    def _restart(self, server: VenueServer, fields: dict[str, Any]) -> dict[str, Any]:
        """All sockets are cut and neither sockets nor requests are answered for a while."""
        seconds = _seconds(fields, "seconds") or 0.0
        _nothing_else(fields)
        end_s = asyncio.get_running_loop().time() + seconds
        server.faults.refuse_until_s = server.faults.rest_outage_until_s = end_s
        return {"disconnected": server.disconnect_all("reset"), "seconds": seconds}

    def _clock_skew(self, server: VenueServer, fields: dict[str, Any]) -> int:
        server.faults.clock_skew_ms = int(_number(fields.pop("ms", None), "ms", -3_600_000, 3_600_000))
        _nothing_else(fields)
        return server.faults.clock_skew_ms

    def _future_format(self, server: VenueServer, fields: dict[str, Any]) -> int:
        server.faults.future_messages = int(_number(fields.pop("messages", 1), "messages", 0, 100_000))
        _nothing_else(fields)
        return server.faults.future_messages

    def _burst(self, server: VenueServer, fields: dict[str, Any]) -> dict[str, Any]:
        count = int(_number(fields.pop("messages", 20_000), "messages", 1, 1_000_000))
        seconds = _number(fields.pop("seconds", 1.0), "seconds", 0.05, 600.0)
        symbols = fields.pop("symbols", None)
        _nothing_else(fields)
        try:
            burst = start_burst(server, self._world.now_ms, count, seconds, symbols)
        except KeyError as error:
            raise ControlError(f"{server.venue} doesn't list {error.args[0]!r}") from None
        self.bursts.append(burst)
        return burst.as_json()

    def _list(self, server: VenueServer, fields: dict[str, Any]) -> str:
        return self._set_listed(server, fields, is_listed=True)

    def _delist(self, server: VenueServer, fields: dict[str, Any]) -> str:
        return self._set_listed(server, fields, is_listed=False)

    def _set_listed(self, server: VenueServer, fields: dict[str, Any], *, is_listed: bool) -> str:
        symbol = str(fields.pop("symbol", ""))
        _nothing_else(fields)
        one = self._world.by_venue[server.venue].get(symbol)
        if one is None:
            raise ControlError(f"{server.venue} knows no market {symbol!r}")
        if one.is_listed != is_listed:
            one.is_listed = is_listed
            one.listed_at_ms = self._world.now_ms if is_listed else one.listed_at_ms
            server.listing_changed(one)
        return symbol

    def _reset(self, server: VenueServer, fields: dict[str, Any]) -> bool:
        """All faults off."""
        _nothing_else(fields)
        server.faults = type(server.faults)()
        return True

    def _shock(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Move the price of a coin at all venues, within the next second; liquidations follow from it."""
        coin = str(fields.pop("coin", ""))
        percent = _number(fields.pop("percent", None), "percent", -50.0, 100.0)
        fields.pop("venue", None)
        _nothing_else(fields)
        try:
            self._world.shock(coin, log1p(percent / 100.0))
        except KeyError:
            raise ControlError(f"no coin {coin!r}") from None
        return {"coin": coin, "percent": percent}


def _generated(server: VenueServer) -> dict[str, Any]:
    """Trades that happened in each market since the start, whether anybody was told or not."""
    return {
        one.symbol: {
            "trades": one.next_number - one.first_live_number,
            "first_number": one.first_live_number,
            "last_number": one.next_number - 1,
            "liquidations": one.liquidations,
        }
        for one in server.world.by_venue[server.venue].values()
    }


def _number(value: Any, name: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ControlError(f"{name} is a number, not {value!r}")
    if not least <= value <= most:
        raise ControlError(f"{name} is between {least:g} and {most:g}, not {value:g}")
    return float(value)


def _seconds(fields: dict[str, Any], name: str) -> float | None:
    """How long; absent: until it is taken back."""
    value = fields.pop(name, None)
    return None if value is None else _number(value, name, 0.0, 86_400.0)


def _nothing_else(fields: dict[str, Any]) -> None:
    if fields:
        raise ControlError(f"unknown fields: {', '.join(sorted(fields))}")
