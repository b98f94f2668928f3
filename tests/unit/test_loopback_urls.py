"""Every address of every venue's client leads to this machine, and nothing else does."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import ccxt.pro
import pytest

from liqheat_ingest.sources.loopback_urls import loopback_urls, point_at_loopback

ADDRESS = "http://127.0.0.1:7401"


def leaves(urls: Any) -> list[str]:
    if isinstance(urls, dict):
        return [leaf for value in urls.values() for leaf in leaves(value)]
    return [urls]


@pytest.mark.parametrize("venue", ["binanceusdm", "bybit", "okx", "hyperliquid"])
def test_all_addresses_of_a_client_are_replaced_and_keep_their_paths(venue: str) -> None:
    exchange = getattr(ccxt.pro, venue)()
    before = leaves(exchange.urls["api"])
    point_at_loopback(exchange, ADDRESS)
    after = leaves(exchange.urls["api"])
    assert len(after) == len(before) > 1
    for old, new in zip(before, after, strict=True):
        assert new.startswith((f"{ADDRESS}", "ws://127.0.0.1:7401"))
        assert urlsplit(old).path == urlsplit(new).path
        assert old.startswith("ws") == new.startswith("ws")


@pytest.mark.parametrize(
    "address",
    ["http://example.com:80", "https://127.0.0.1:1", "http://127.0.0.1", "http://10.0.0.1:80", "127.0.0.1:80"],
)
def test_only_a_loopback_server_is_taken(address: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        loopback_urls("https://api.bybit.com", address)


def test_what_is_no_address_is_named() -> None:
    with pytest.raises(ValueError, match="'v5'"):
        loopback_urls({"version": "v5"}, ADDRESS)
