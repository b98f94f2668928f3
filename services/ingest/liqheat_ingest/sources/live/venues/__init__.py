"""The venues of the live source, one file each."""

from __future__ import annotations

from liqheat_ingest.sources.live.venues.binance import BinanceFeed
from liqheat_ingest.sources.live.venues.bybit import BybitFeed
from liqheat_ingest.sources.live.venues.feed import VenueFeed
from liqheat_ingest.sources.live.venues.hyperliquid import HyperliquidFeed
from liqheat_ingest.sources.live.venues.okx import OkxFeed

FEEDS: dict[str, type[VenueFeed]] = {feed.venue: feed for feed in (BinanceFeed, BybitFeed, OkxFeed, HyperliquidFeed)}


def feed_of(venue: str) -> VenueFeed:
    """What is particular to a venue. Raises KeyError."""
    return FEEDS[venue]()
