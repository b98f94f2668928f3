"""The api of the page with made-up data: for the browser tests and for work on the page.

Run it alone with ``python tests/browser/fake_api.py --port 8090``; the tests steer it through its methods.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from fake_market import COINS, SCOPES, History, centre_bin, clusters_of, codes, simulate
from fake_record import Verdict, record_answer

from liqheat_shared.contracts.heatmap_columns import TIMEFRAME_MS, Timeframe
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH

STATIC = Path(__file__).parents[2] / "services/api/liqheat_api/static"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; style-src 'self'"
)
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
STATUS_EVERY_SECONDS = 2.0
VALID_MS = 5_000


class FakeApi:
    """State of the made-up api and the switches of the tests. All methods may be called from any thread."""

    def __init__(self, coins: tuple[str, ...] = tuple(COINS)) -> None:
        self.url = ""
        self.coins = coins
        self.phase = "live"
        self.away = False
        self.stalled = False
        self.incomplete = False
        self.deleveraged_venue: str | None = None
        self.backfilling = False
        self.columns_limit: int | None = None
        self.away_for_data = False
        #: What the record says of the map.
        self.record: Verdict = "ahead"
        self.reported_share: float | None = 0.06
        self.requests: list[str] = []
        #: Path and Last-Event-ID of every stream that was opened.
        self.streams: list[tuple[str, str]] = []
        self._moves: dict[str, float] = dict.fromkeys(COINS, 0.0)
        self._histories: dict[tuple[str, str, str], History] = {}
        self._shift_ms = 0
        self._frozen_ms: int | None = None
        self._sequence = 0
        self._changed = threading.Condition()
        self._notices: list[tuple[int, str, dict[str, Any]]] = []
        self._started_ms = int(time.time() * 1000)

    def now_ms(self) -> int:
        """Time of the data: the wall clock, plus what ``close_column`` has skipped."""
        return int(time.time() * 1000) + self._shift_ms

    def data_ms(self) -> int:
        return self._frozen_ms if self._frozen_ms is not None else self.now_ms()

    def stall(self) -> None:
        """Send no more grids; the last one grows old."""
        self.stalled = True
        self._frozen_ms = self.now_ms() - 60_000
        self.notify()

    def resume(self) -> None:
        """Send grids again."""
        self.stalled = False
        self._frozen_ms = None
        self.notify()

    def leave(self) -> None:
        """Cut all connections and accept no more."""
        self.away = True
        self.notify()

    def tick(self, coin: str = "BTC", move: float = 0.0) -> None:
        """Move the mark by a fraction and send a grid."""
        self._moves[coin] += move
        self.notify()

    def notify(self) -> None:
        with self._changed:
            self._sequence += 1
            self._changed.notify_all()

    def close_column(self, coin: str, timeframe: Timeframe) -> int:
        """Let time pass to the end of the open column and announce it; returns its open time."""
        step_ms = TIMEFRAME_MS[timeframe]
        for scope in SCOPES:
            history = self.history(coin, scope, timeframe)
            opened = history.open_time_ms[-1] + step_ms
            grid = self.grid(coin, scope)
            history.open_time_ms.append(opened)
            history.incomplete.append(False)
            for name, values in history.candles.items():
                values.append(grid["mark_price"] if name in ("open", "high", "low", "close") else values[-1])
            history.long_usd = np.column_stack([history.long_usd, grid["long_usd"]])
            history.short_usd = np.column_stack([history.short_usd, grid["short_usd"]])
        self._shift_ms += opened + step_ms - self.now_ms() + 1_000
        with self._changed:
            for scope in SCOPES:
                notice = {"timeframe": timeframe, "open_time_ms": opened, "scope": scope, "coin": coin}
                self._notices.append((self._sequence + 1, "column", notice))
        self.notify()
        return opened

    def close_record(self, coin: str, verdict: Verdict) -> None:
        """Announce a record of 1 h; from now on the record says this of the map."""
        self.record = verdict
        with self._changed:
            for scope in SCOPES:
                notice = {"coin": coin, "scope": scope, "horizon_ms": 3_600_000}
                self._notices.append((self._sequence + 1, "accuracy", notice))
        self.notify()

    def resync(self, coin: str = "BTC") -> None:
        """Tell the clients of a coin that they missed something."""
        with self._changed:
            for scope in SCOPES:
                self._notices.append((self._sequence + 1, "resync", {"scope": scope, "coin": coin}))
        self.notify()

    def history(self, coin: str, scope: str, timeframe: Timeframe) -> History:
        key = (coin, scope, timeframe)
        with self._changed:
            if key not in self._histories:
                self._histories[key] = simulate(coin, scope, timeframe, self._started_ms)
            return self._histories[key]

    def mark(self, coin: str) -> float:
        return COINS[coin][0] * math.exp(self._moves[coin])

    def coin_list(self) -> dict[str, Any]:
        now = self.data_ms()
        entries = [
            {
                "coin": coin,
                "mark_price": self.mark(coin),
                "phase": self.phase,
                "event_time_ms": now,
                "valid_until_ms": now + VALID_MS,
                "scopes": list(SCOPES),
                "open_interest_usd": COINS[coin][1],
            }
            for coin in self.coins
        ]
        return {"coins": entries, "server_time_ms": self.now_ms()}

    def grid(self, coin: str, scope: str) -> dict[str, Any]:
        history = self.history(coin, scope, "4h")
        mark = self.mark(coin)
        here = centre_bin(mark) - history.first_bin
        index = np.arange(len(history.long_usd))
        long_usd = np.where(index < here, history.long_usd[:, -1], 0)
        short_usd = np.where(index > here, history.short_usd[:, -1], 0)
        now = self.data_ms()
        return {
            "coin": coin,
            "scope": scope,
            "event_time_ms": now,
            "valid_until_ms": now + VALID_MS,
            "phase": self.phase,
            "cadence_ms": 1_000,
            "mark_price": mark,
            "bin_width": BIN_WIDTH,
            "first_bin": history.first_bin,
            "long_usd": [int(value) for value in long_usd],
            "short_usd": [int(value) for value in short_usd],
            "consumed_long_usd": 1.0e8,
            "consumed_short_usd": 1.2e8,
            "open_interest_usd": COINS[coin][1] * SCOPES[scope],
            "candle": {"open": mark, "high": mark * 1.0004, "low": mark * 0.9996, "close": mark,
                       "volume_usd": 1.3e6, "taker_buy_usd": 7.0e5},
            "cumulative_volume_delta_usd": history.candles["cvd"][-1],
            "sigma_1h": 0.0069,
            "liquidated_long_usd": 0.0,
            "liquidated_short_usd": 12_000.0,
            "provenance": self._provenance(),
        }  # fmt: skip

    def _provenance(self) -> dict[str, Any]:
        ages = {"binance": 400, "bybit": 200, "okx": 1_100, "hyperliquid": 300}
        members = [
            {
                "venue": venue,
                "symbol": "BTC/USDT:USDT",
                "state": "backfilling" if self.backfilling and venue == "okx" else "live",
                "open_interest_usd": 1.0e9,
                "stream_age_ms": {"trades": age, "ticker": age * 2, "liquidations": None},
                "mark_price_kind": "reported",
                "coverage_share": 0.92,
                "interrupted_streams": ["trades"] if self.incomplete and venue == "bybit" else [],
                "liquidation_feed": self._liquidation_feed(venue),
                "shown_liquidation_usd_share": {"binance": 0.41, "bybit": 1.0}.get(venue),
                "deleveraging": self._deleveraging() if self.deleveraged_venue == venue else None,
            }
            for venue, age in ages.items()
        ]
        return {
            "members": members,
            "estimated_share": 0.66,
            "measured_share": 0.34,
            "reported_share": self.reported_share,
            "coverage_share": 0.92,
            "model_version": "1",
            "history_lost": False,
            "incomplete": self.incomplete,
            "rejected_events": 3 if self.incomplete else 0,
        }

    def _deleveraging(self) -> dict[str, Any]:
        to_ms = self.data_ms() - 3_600_000
        span = {"suspected_from_ms": to_ms - 300_000, "suspected_to_ms": to_ms}
        return span | {"deleveraged_side": "short", "deleveraged_usd": 120_400_000.0}

    def _liquidation_feed(self, venue: str) -> dict[str, Any] | None:
        kind = {"binance": "throttled", "bybit": "complete", "okx": "partial", "hyperliquid": "none"}[venue]
        told = {"kind": kind, "connected_since_ms": None, "unbroken_since_ms": None}
        if kind == "none":
            return told | {"heard_share_24h": None, "heard_share_since_connected": None}
        times = {
            "connected_since_ms": self.data_ms() - 10 * 86_400_000,
            "unbroken_since_ms": self.data_ms() - 3_600_000,
        }
        return told | times | {"heard_share_24h": 0.971 if venue == "okx" else 1.0, "heard_share_since_connected": 0.99}

    def clusters(self, coin: str, scope: str) -> dict[str, Any]:
        grid = self.grid(coin, scope)
        found = clusters_of(
            coin, scope, np.array(grid["long_usd"], float), np.array(grid["short_usd"], float),
            grid["first_bin"], grid["mark_price"],
        )  # fmt: skip
        for rank, cluster in enumerate(found):
            cluster["formed_time_ms"] = self.data_ms() - (4 + 9 * rank) * 14_400_000
        head = {"coin": coin, "scope": scope, "event_time_ms": grid["event_time_ms"], "phase": self.phase}
        return head | {"mark_price": grid["mark_price"], "clusters": found}

    def magnets(self, coin: str, scope: str) -> dict[str, Any]:
        answer = self.clusters(coin, scope)
        magnets = [
            {
                "cluster_id": cluster["cluster_id"],
                "side": cluster["side"],
                "near_price": cluster["lower_price"] if cluster["side"] == "short" else cluster["upper_price"],
                "peak_price": cluster["peak_price"],
                "mass_usd": cluster["mass_usd"],
                "distance_fraction": cluster["distance_fraction"],
                "score": math.log1p(cluster["mass_usd"] / 5e7) * cluster["touches"][-1]["probability"],
                "depth_to_near_edge_usd": None,
                "touches": cluster["touches"],
            }
            for cluster in answer.pop("clusters")
        ]
        magnets.sort(key=lambda magnet: -magnet["score"])
        up, down = (sum(m["score"] for m in magnets if m["side"] == side) for side in ("short", "long"))
        return answer | {"magnets": magnets, "bias": (up - down) / max(up + down, 1e-9)}

    def heatmap(self, coin: str, scope: str, timeframe: Timeframe, from_ms: int | None) -> bytes:
        history = self.history(coin, scope, timeframe)
        times = np.array(history.open_time_ms)
        wanted = np.flatnonzero(times >= (from_ms or 0))[-(self.columns_limit or 300) :]
        if self.columns_limit == 0:
            wanted = wanted[:0]
        header = json.dumps(history.header(coin, scope, wanted)).encode()
        planes = [codes(plane[:, wanted]).tobytes() for plane in (history.long_usd, history.short_usd)]
        return struct.pack("<I", len(header)) + header + b"".join(planes)

    def next_events(self, coin: str, scope: str, seen: int, timeout: float) -> tuple[int, list[tuple[str, Any]]]:
        """Events after ``seen``; none where nothing happened within ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._sequence > seen, timeout)
            sequence = self._sequence
            due = [(name, data) for at, name, data in self._notices if seen < at <= sequence]
        if sequence == seen:
            return seen, []
        events: list[tuple[str, Any]] = [] if self.stalled else [("grid", self.grid(coin, scope))]
        events += [(name, data) for name, data in due if (data["coin"], data["scope"]) == (coin, scope)]
        return sequence, [*events, ("clusters", self.clusters(coin, scope)), ("magnets", self.magnets(coin, scope))]

    @property
    def sequence(self) -> int:
        return self._sequence


class Handler(BaseHTTPRequestHandler):
    """Answers as the api does."""

    protocol_version = "HTTP/1.1"
    fake: FakeApi

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.fake.requests.append(self.path)
        if self.fake.away or (self.fake.away_for_data and self.path.startswith("/v1")):
            self.close_connection = True
            self.connection.close()
            return
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        parts = url.path.strip("/").split("/")
        try:
            if parts[0] != "v1":
                self._static(url.path)
            elif parts[1] == "stream":
                self._stream(query["coin"], query.get("scope", "aggregated"))
            else:
                self._data(parts[1:], query)
        except (BrokenPipeError, ConnectionResetError, ValueError):
            self.close_connection = True

    def _data(self, parts: list[str], query: dict[str, str]) -> None:
        fake, scope = self.fake, query.get("scope", "aggregated")
        if parts == ["coins"]:
            return self._json(fake.coin_list())
        kind, coin = parts
        if coin not in fake.coins:
            return self._send(404, b'{"detail": "unknown coin"}', "application/problem+json")
        if kind == "heatmap":
            from_ms = int(query["from"]) if "from" in query else None
            timeframe: Any = query.get("timeframe", "4h")
            return self._send(200, fake.heatmap(coin, scope, timeframe, from_ms), "application/octet-stream")
        if kind == "accuracy":
            horizon: Any = query.get("horizon", "1h")
            body = record_answer(coin, horizon, fake.phase, fake.data_ms(), fake.record)
            return self._send(200, body, "application/json")
        answers = {"grids": fake.grid, "clusters": fake.clusters, "magnets": fake.magnets}
        return self._json(answers[kind](coin, scope))

    def _stream(self, coin: str, scope: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        resumed_from = self.headers.get("Last-Event-ID", "")
        self.fake.streams.append((self.path, resumed_from))
        seen = int(resumed_from.split("-")[0] or self.fake.sequence)
        self._event("grid", self.fake.grid(coin, scope), seen)
        while not self.fake.away:
            seen, events = self.fake.next_events(coin, scope, seen, STATUS_EVERY_SECONDS / 4)
            for name, data in events:
                self._event(name, data, seen)
            state = "stale" if self.fake.stalled else "ok"
            self._event("status", {"state": state, "age_ms": 300}, seen)
        self.connection.close()

    def _event(self, name: str, data: Any, sequence: int) -> None:
        self.wfile.write(f"event: {name}\nid: {sequence}-0\ndata: {json.dumps(data)}\n\n".encode())
        self.wfile.flush()

    def _static(self, path: str) -> None:
        file = (STATIC / path.lstrip("/")).resolve() if path != "/" else STATIC / "index.html"
        if not file.is_relative_to(STATIC.resolve()) or not file.is_file():
            return self._send(404, b"no such file", "text/plain")
        return self._send(200, file.read_bytes(), TYPES.get(file.suffix, "application/octet-stream"))

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), "application/json")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.end_headers()
        self.wfile.write(body)


class FakeApiServer:
    """A :class:`FakeApi` on a port of loopback, for use in ``with``."""

    def __init__(self, fake: FakeApi, port: int = 0) -> None:
        handler = type("BoundHandler", (Handler,), {"fake": fake})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.fake = fake
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> FakeApiServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.fake.away = True
        self.fake.notify()
        self._server.shutdown()
        self._server.server_close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--phase", default="live", choices=["live", "backfill", "replay", "simulated"])
    options = parser.parse_args()
    fake = FakeApi()
    fake.phase = options.phase
    with FakeApiServer(fake, options.port) as server:
        print(f"made-up api on {server.url}")
        for step in range(10**9):
            time.sleep(1)
            for coin in COINS:
                fake.tick(coin, 0.0004 * math.sin(step / 7))


if __name__ == "__main__":
    main()
