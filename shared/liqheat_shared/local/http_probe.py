"""One HTTP request to a server on this machine, without blocking and without a client library."""

from __future__ import annotations

import asyncio

from liqheat_shared.local.ports import LOOPBACK

_LARGEST_ANSWER_BYTES = 1 << 22


async def get(port: int, path: str, timeout_seconds: float = 2.0) -> tuple[int, bytes] | None:
    """Status and body of ``GET path``; None if no answer came in time."""
    try:
        return await asyncio.wait_for(_get(port, path), timeout_seconds)
    except (OSError, TimeoutError, ValueError):
        return None


async def _get(port: int, path: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        # Version 1.0: the server closes the connection after a body that is not chunked.
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {LOOPBACK}:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        answer = b""
        while len(answer) < _LARGEST_ANSWER_BYTES and (data := await reader.read(1 << 16)):
            answer += data
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body
