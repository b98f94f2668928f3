"""Loopback ports: what is taken, what is free, and when a server answers."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on.

    All are held until the last is found, so that none comes twice.
    """
    probes = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def free_block(count: int, tries: int = 100) -> int:
    """First of so many loopback ports in a row that nobody listens on.

    Raises
    ------
    OSError
        None was found.
    """
    for _ in range(tries):
        [first] = free_ports(1)
        if first + count <= 65_535 and all(is_free(port) for port in range(first, first + count)):
            return first
    raise OSError(f"no {count} free ports in a row")


def free_port(preferred: int | None = None) -> int:
    """The preferred port if it is free, else any free one."""
    if preferred is not None and is_free(preferred):
        return preferred
    return free_ports(1)[0]


def wait_until(condition: Callable[[], bool], timeout_seconds: float, interval_seconds: float = 0.02) -> bool:
    """Poll until the condition holds; False if it did not in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval_seconds)
    return True
