"""Can a venue be reached from this machine? Asked before the local stack decides what to show."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

#: A cheap public request of each venue; other hosts are asked for their root.
PATHS = {
    "fapi.binance.com": "/fapi/v1/ping",
    "api.bybit.com": "/v5/market/time",
    "www.okx.com": "/api/v5/public/time",
    "api.hyperliquid.xyz": "/info",
}
#: 404 and 405 are answers, too; 403 and 451 mean that the venue does not serve this place.
_REFUSED = (401, 403, 418, 429, 451)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What was found.

    Attributes
    ----------
    reached : str or None
        The first host that answered; None: none did in time.
    problems : dict
        Why the others did not, by host.
    """

    reached: str | None
    problems: dict[str, str]

    @property
    def sentence(self) -> str:
        """Why none can be reached, for a person."""
        return "; ".join(f"{host}: {problem}" for host, problem in self.problems.items())


async def probe_venues(hosts: Sequence[str], timeout_seconds: float) -> ProbeResult:
    """Ask all hosts at once; return as soon as one answers, when all have failed, or when the time is over.

    Parameters
    ----------
    hosts : sequence of str
        ``host`` (TLS on 443) or ``host:port`` (plain, for tests and proxies).
    """
    problems: dict[str, str] = {}
    tasks = {asyncio.ensure_future(_ask(host)): host for host in hosts}
    pending = set(tasks)
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    reached = None
    try:
        while pending and reached is None:
            left = deadline - asyncio.get_running_loop().time()
            done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            for task in done:
                problem = task.result()
                if problem is None:
                    reached = reached or tasks[task]
                else:
                    problems[tasks[task]] = problem
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    if reached is None:
        problems |= {tasks[task]: f"no answer in {timeout_seconds:g} s" for task in pending}
    return ProbeResult(reached, problems)


async def _ask(address: str) -> str | None:
    """None if the host answers; else why not."""
    host, _, port = address.partition(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port or 443), ssl=not port or None)
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__
    try:
        path = PATHS.get(host, "/")
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: liqheat\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        words = (await reader.readline()).split()
        status = int(words[1])
    except (OSError, ValueError, IndexError) as error:
        return f"no HTTP answer: {error}"
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return f"it answers {status}" if status in _REFUSED else None
