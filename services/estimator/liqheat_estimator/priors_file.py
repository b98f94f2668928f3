"""The table of priors that settings name, and a new one out of what a running deployment has learned."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_estimator.core.learning.pooling import TaughtMarket, pool
from liqheat_estimator.core.learning.prior_table import PriorTable, read_table, shipped_priors, write_table
from liqheat_estimator.core.parameters import EstimatorParameters

if TYPE_CHECKING:
    from liqheat_shared.settings import ServiceSettings


def priors_of(path: Path | None, parameters: EstimatorParameters) -> PriorTable:
    """The table of a file, or the shipped one.

    Raises
    ------
    ValueError
        The file can't be read or is no table for this model; the sentence names it.
    """
    if path is None:
        return shipped_priors(parameters)
    try:
        return read_table(path.read_text(encoding="utf-8"), parameters)
    except (OSError, ValueError) as fault:
        raise ValueError(f"{path}: {fault}") from None


def taught_markets(states: Iterable[CoinState], least_hours: int) -> list[TaughtMarket]:
    """Markets of coins whose own hours taught them something."""
    found = []
    for state in states:
        for (venue, symbol), market in state.markets.items():
            reported = market.learning.filter
            if reported is not None and reported.hours >= least_hours:
                variances = np.diag(reported.covariance).copy()
                market_class = market.leverage_class()
                found.append(
                    TaughtMarket(venue, symbol, market_class, reported.values.copy(), variances, reported.hours)
                )
    return found


async def pooled_table(settings: ServiceSettings, path: Path | None, least_hours: int) -> tuple[str, dict[str, Any]]:
    """A table out of the estimator's state, which is read as an onlooker, and what it was made of.

    Parameters
    ----------
    path : Path or None
        The table that the estimator runs with.
    least_hours : int
        Markets that fewer hours taught are left out.

    Raises
    ------
    ValueError
        No market has learned from so many hours yet.
    """
    from liqheat_shared.kafka.exact.stored_state import POSITION_KEY, order
    from liqheat_shared.kafka.reading import open_topic
    from liqheat_shared.kafka.topics import state_changelog_topic

    parameters = EstimatorParameters()
    table = priors_of(path, parameters)
    records: dict[bytes, bytes] = {}
    topic = state_changelog_topic(settings, "estimator").removeprefix(settings.topic_prefix)
    async with open_topic(settings, topic, from_beginning=True) as reader:
        async for record in reader.messages(until_now=True):
            key, value = record.key, record.value
            if key is None or value is None or key == POSITION_KEY:
                continue
            if key not in records or order(value) >= order(records[key]):
                records[key] = value
    markets = taught_markets(_states(records, EstimatorFold(parameters, table)), least_hours)
    if not markets:
        raise ValueError(f"no market has learned from {least_hours} hours yet")
    priors = pool(markets, table)
    made_of = {"markets": len(markets), "hours": sum(one.hours for one in markets), "levels": list(priors)}
    return write_table(priors, parameters), made_of


def _states(records: dict[bytes, bytes], fold: EstimatorFold) -> Iterable[CoinState]:
    from liqheat_shared.kafka.exact.stored_state import unpack

    for number, (key, raw) in enumerate(sorted(records.items()), start=1):
        stored, coin = unpack(raw, fold.state_version), key.decode()
        if sys.stderr.isatty():
            sys.stderr.write(f"\rliqheat pool-priors: {number} of {len(records)}")
        yield fold.load(stored.body, coin)
