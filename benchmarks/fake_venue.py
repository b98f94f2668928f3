"""Messages a second of the fake venues in one process, read by a plain client that only counts WebSocket frames."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench_stack import cpu_seconds

COINS = 200
SETTLE_S, MEASURE_S = 3.0, 10.0
BURST = 20_000


class PlainClient:
    """A socket that subscribes and counts text frames."""

    def __init__(self, address: str, path: str, messages: list[Any]) -> None:
        self.host, self.port, self.path = urlsplit(address).hostname, urlsplit(address).port, path
        self.messages = messages
        self.frames = 0

    async def run(self) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        for message in self.messages:
            payload = json.dumps(message).encode()
            size = len(payload)
            length = bytes((0x80 | size,)) if size < 126 else bytes((0x80 | 126,)) + size.to_bytes(2, "big")
            writer.write(b"\x81" + length + b"\0\0\0\0" + payload)
            await asyncio.sleep(0.02)
        held = b""
        while chunk := await reader.read(1 << 20):
            held = self._count(held + chunk)

    def _count(self, data: bytes) -> bytes:
        at, end = 0, len(data)
        while end - at >= 2:
            size, head = data[at + 1] & 127, 2
            if size == 126:
                size, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
            if end - at < head + size:
                break
            self.frames += data[at] == 0x81
            at += head + size
        return data[at:]


def clients(addresses: dict[str, str], symbols: dict[str, list[str]]) -> list[PlainClient]:
    """Trades, prices, liquidations and books of every market of the four venues."""
    linear = [symbol for symbol in symbols["bybit"] if symbol.endswith("USDT")]
    inverse = [symbol for symbol in symbols["bybit"] if not symbol.endswith("USDT")]

    def bybit(names: list[str]) -> list[Any]:
        kinds = ("publicTrade", "tickers", "allLiquidation", "orderbook.50")
        return [{"op": "subscribe", "args": [f"{kind}.{name}" for name in names]} for kind in kinds]

    def okx(names: list[str]) -> list[Any]:
        kinds = ("trades", "tickers", "mark-price", "open-interest", "books")
        return [
            {"op": "subscribe", "args": [{"channel": kind, "instId": name} for name in names]} for kind in kinds
        ] + [{"op": "subscribe", "args": [{"channel": "liquidation-orders", "instType": "SWAP"}]}]

    names = [symbol.lower() for symbol in symbols["binance"]]
    market = [f"{name}@aggTrade" for name in names] + ["!markPrice@arr@1s", "!forceOrder@arr"]
    depth = [f"{name}@depth@100ms" for name in names]
    hyperliquid = [
        {"method": "subscribe", "subscription": {"type": kind, "coin": name}}
        for name in symbols["hyperliquid"]
        for kind in ("trades", "activeAssetCtx", "l2Book")
    ]
    found = [
        PlainClient(addresses["binance"], "/market/ws/0", [{"method": "SUBSCRIBE", "params": market, "id": 1}]),
        PlainClient(addresses["binance"], "/public/ws/0", [{"method": "SUBSCRIBE", "params": depth, "id": 1}]),
        PlainClient(addresses["bybit"], "/v5/public/linear", bybit(linear)),
        PlainClient(addresses["bybit"], "/v5/public/inverse", bybit(inverse)),
        PlainClient(addresses["okx"], "/ws/v5/public", okx(symbols["okx"])),
    ]
    return [*found, PlainClient(addresses["hyperliquid"], "/ws", hyperliquid)]


def control(addresses: dict[str, str], message: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask or tell the control endpoint."""
    data = None if message is None else json.dumps(message).encode()
    with urllib.request.urlopen(f"{addresses['control']}/control", data, timeout=30) as answer:
        return dict(json.load(answer))


async def measure(pid: int, addresses: dict[str, str]) -> dict[str, float]:
    """Frames a second, processor share and how far the story fell behind; then a burst."""
    state = await asyncio.to_thread(control, addresses)
    symbols = {venue: list(part["generated"]) for venue, part in state["venues"].items()}
    found = clients(addresses, symbols)
    tasks = [asyncio.create_task(client.run()) for client in found]
    await asyncio.sleep(SETTLE_S)
    while any(not client.frames for client in found):
        await asyncio.sleep(0.1)
    # Hyperliquid takes one subscription a message: 600 of them take a while.
    while found[-1].frames < 3 * len(symbols["hyperliquid"]):
        await asyncio.sleep(0.5)

    def total() -> int:
        return sum(client.frames for client in found)

    frames, cpu, started, behind = total(), cpu_seconds(pid), time.monotonic(), 0.0
    while time.monotonic() - started < MEASURE_S:
        await asyncio.sleep(1.0)
        behind = max(behind, (await asyncio.to_thread(control, addresses))["behind_ms"])
    seconds = time.monotonic() - started
    result = {
        "rate": (total() - frames) / seconds,
        "cpu": (cpu_seconds(pid) - cpu) / seconds,
        "rate_per_core": (total() - frames) / max(0.01, cpu_seconds(pid) - cpu),
        "behind_ms": behind,
    }
    before, started = found[2].frames, time.monotonic()
    await asyncio.to_thread(control, addresses, {"action": "burst", "venue": "bybit", "messages": BURST, "seconds": 1})
    while found[2].frames - before < BURST and time.monotonic() - started < 30:
        await asyncio.sleep(0.01)
    result["burst_s"] = time.monotonic() - started
    result["rss_mib"] = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    for task in tasks:
        task.cancel()
    return result


def main() -> list[dict[str, Any]]:
    """The figures."""
    program = str(Path(sys.executable).with_name("liqheat"))
    command = [program, "fake-venue", "--coins", str(COINS), "--history-days", "2"]
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            addresses = json.loads(process.stdout.readline())
            ready = time.monotonic() - started
            found = asyncio.run(measure(process.pid, addresses))
        finally:
            process.terminate()
            process.wait(30)
    what = f"four venues, {COINS} coins, all trades, prices, liquidations and books"
    return [
        _line("fake venues: messages a second", found["rate"], "1/s", ">= 5000", what),
        _line("fake venues: messages a core-second", found["rate_per_core"], "1/s", ">= 5000", "by processor time"),
        _line("fake venues: processor share", found["cpu"], "cores", "<= 1", "of the serving process, at that rate"),
        _line("fake venues: behind the clock at most", found["behind_ms"], "ms", "", "asked once a second"),
        _line("fake venues: burst of 20,000 trades in 1 s", found["burst_s"], "s", "", "until the last arrived"),
        _line("fake venues: memory", found["rss_mib"], "MiB", "", "after the burst"),
        _line("fake venues: ready", ready, "s", "", "from the start, two days of history"),
    ]


def _line(name: str, value: float, unit: str, target: str, note: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "target": target, "note": note}


if __name__ == "__main__":
    for line in main():
        print(f"{line['name']:<44} {line['value']:>12,.3f} {line['unit']:<6} {line['note']}")
