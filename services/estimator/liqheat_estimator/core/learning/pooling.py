"""Priors out of what many markets were taught: markets lend each other what they know, the near ones most.

A tree: all, below it the venues, below them their classes of markets, below them the markets. Every value of a node is
normal about its parent's::

    x_node ~ N(x_parent, tau^2),    taught_market ~ N(x_market, s^2)

with one ``tau^2`` for each depth and kind of weight. Given the ``tau^2`` the tree is solved exactly, one pass up and
one down; they are found by expectation-maximisation. What is given out at a level is the prediction for a new market
there: the node's own variance and the ``tau^2`` of all that lies between. This is the normal hierarchical model (Gelman
et al., Bayesian Data Analysis, chapter 5) with two levels more; parameters are pooled one by one, as if independent.

Only weights are pooled: of layers, of distance bands, of the background, and the level of all. Coefficients of features
stay as the table has them for all: in some weeks of one market's hours they fit its path more than its kind, and pooled
they made forecasts of new markets worse (``benchmarks/pooling.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from liqheat_estimator.core.bins import Floats, Integers
from liqheat_estimator.core.learning.prior import Prior
from liqheat_estimator.core.learning.prior_table import ALL, PriorTable, levels_of
from liqheat_estimator.core.learning.structure import group_count, level_place

#: How much neighbours differ before any were seen (variances of logarithms), by depth: venues, classes, markets; and
#: how many comparisons of each kind that is worth.
SPREADS: Final = (0.5, 0.3, 0.3)
_SPREAD_COUNT: Final = 10.0
_LEAST_SPREAD: Final = 1e-4
#: A parameter that gained less than this share of its prior's precision was taught nothing.
_LEAST_GAIN: Final = 0.02
#: Stands for the class of markets of which it is not known; no prior is given out for it.
_NO_CLASS: Final = "?"
#: Rounds of expectation-maximisation.
ROUNDS: Final = 60


class TaughtMarket(NamedTuple):
    """A market's belief after its hours.

    Attributes
    ----------
    values, variances : ndarray, shape (parameters,)
    hours : int
        Hours that taught it.
    """

    venue: str
    symbol: str
    leverage_class: str | None
    values: Floats
    variances: Floats
    hours: int


@dataclass(slots=True, eq=False)
class _Node:
    """A node of the tree; arrays of shape (parameters,)."""

    level: str
    depth: int
    children: list[_Node] = field(default_factory=list)
    #: From below: precision, and precision times mean.
    precision: Floats = field(default_factory=lambda: np.zeros(0))
    weighted: Floats = field(default_factory=lambda: np.zeros(0))
    #: With everything known.
    mean: Floats = field(default_factory=lambda: np.zeros(0))
    variance: Floats = field(default_factory=lambda: np.zeros(0))
    #: Of the difference to the parent, squared.
    squared_step: Floats = field(default_factory=lambda: np.zeros(0))
    hours: int = 0
    markets: int = 0


def pool(taught: Sequence[TaughtMarket], table: PriorTable, rounds: int = ROUNDS) -> dict[str, Prior]:
    """Priors at every level that a taught market belongs to, and for all.

    Parameters
    ----------
    table : PriorTable
        The priors that the markets began with: what a market says by itself is what it has gained over its prior.
        The level ``*`` of the table is also what is believed about all before any market speaks.
    rounds : int
        In which the ``tau^2`` are found; 0: as they are assumed before any market was seen.

    Returns
    -------
    dict
        By level, see :mod:`~liqheat_estimator.core.learning.prior_table`. Without markets: the level ``*`` as it was.

    Examples
    --------
    >>> from liqheat_estimator.core.learning.prior import uninformed_prior
    >>> cold = uninformed_prior(2)
    >>> table = PriorTable.single(cold, 2)
    >>> known = [TaughtMarket("v", name, "100x+", cold.values + 1, cold.variances / 50, 900) for name in "abc"]
    >>> pooled = pool(known, table)
    >>> list(pooled)
    ['*', 'v', 'v|100x+', 'v|a', 'v|b', 'v|c']
    >>> float(round(pooled["v|100x+"].values[0], 2))  # the cold prior said -5, all three say -4
    -4.0
    """
    base = table.levels[ALL]
    if not taught:
        return {ALL: base}
    root = _tree(taught, table)
    kinds = _kinds(table.layers)
    spreads = [np.full(len(base.values), spread) for spread in SPREADS]
    for _ in range(rounds):
        _solve(root, base, spreads)
        spreads = _new_spreads(root, kinds)
    _solve(root, base, spreads)
    priors: dict[str, Prior] = {}
    pooled = np.isin(np.arange(len(base.values)), np.concatenate(kinds))
    _predict(root, spreads, base, pooled, priors)
    return priors


def _kinds(layers: int) -> tuple[Integers, ...]:
    """Places of the parameters that are pooled, kind by kind."""
    groups, level = group_count(layers), level_place(layers)
    places = (range(layers), range(layers, groups - 1), range(groups - 1, groups), range(level, level + 1))
    return tuple(np.array(each) for each in places)


def _tree(taught: Sequence[TaughtMarket], table: PriorTable) -> _Node:
    root, known = _Node(ALL, 0), dict[str, _Node]()
    for market in sorted(taught, key=lambda one: (one.venue, one.leverage_class or "", one.symbol)):
        levels = levels_of(market.venue, market.symbol, market.leverage_class or _NO_CLASS)
        above = root
        for depth, level in enumerate(levels[-2::-1], start=1):  # from the venue down
            node = known.get(level)
            if node is None:
                node = known[level] = _Node(level, depth)
                above.children.append(node)
            above = node
        prior = table.of(market.venue, market.symbol, market.leverage_class)
        own = 1.0 / prior.variances
        gained = 1.0 / market.variances - own
        gained[gained < _LEAST_GAIN * own] = 0.0
        above.precision = gained
        above.weighted = np.where(gained > 0, market.values / market.variances - prior.values * own, 0.0)
        above.hours, above.markets = market.hours, 1
    return root


def _solve(root: _Node, base: Prior, spreads: Sequence[Floats]) -> None:
    """Means and variances of all nodes, given how much children differ from their parents."""
    _upwards(root, spreads)
    precision = root.precision + 1.0 / base.variances
    root.mean = (root.weighted + base.values / base.variances) / precision
    root.variance = 1.0 / precision
    _downwards(root, spreads)


def _upwards(node: _Node, spreads: Sequence[Floats]) -> None:
    if not node.children:
        return
    node.precision = np.zeros_like(spreads[0])
    node.weighted = np.zeros_like(spreads[0])
    node.hours = node.markets = 0
    for child in node.children:
        _upwards(child, spreads)
        # Seen through the difference between the two: 1 / (1 / precision + spread), without dividing by 0.
        damped = 1.0 / (1.0 + child.precision * spreads[child.depth - 1])
        node.precision += child.precision * damped
        node.weighted += child.weighted * damped
        node.hours += child.hours
        node.markets += child.markets


def _downwards(node: _Node, spreads: Sequence[Floats]) -> None:
    for child in node.children:
        tie = 1.0 / spreads[child.depth - 1]
        rest = 1.0 / (child.precision + tie)
        share = tie * rest
        child.mean = share * node.mean + rest * child.weighted
        child.variance = rest + share**2 * node.variance
        child.squared_step = (child.mean - node.mean) ** 2 + rest + (1.0 - share) ** 2 * node.variance
        _downwards(child, spreads)


def _new_spreads(root: _Node, kinds: Sequence[Integers]) -> list[Floats]:
    """How much children differ from their parents at each depth, by kind of parameter."""
    found = []
    layer = root.children
    for before in SPREADS:
        steps = np.stack([node.squared_step for node in layer])
        spread = np.full(steps.shape[1], before)
        for kind in kinds:
            total = _SPREAD_COUNT * before + float(steps[:, kind].sum())
            spread[kind] = max(total / (_SPREAD_COUNT + steps[:, kind].size), _LEAST_SPREAD)
        found.append(spread)
        layer = [child for node in layer for child in node.children]
    return found


def _predict(
    node: _Node, spreads: Sequence[Floats], base: Prior, pooled: NDArray[np.bool_], priors: dict[str, Prior]
) -> None:
    between = sum(spreads[node.depth :], start=np.zeros(len(base.values)))
    # Never less is known than before any market spoke.
    variances = np.minimum(node.variance + between, base.variances)
    variances = np.where(pooled, variances, base.variances)
    noun = "market" if node.markets == 1 else "markets"
    source = f"pooled from {node.markets} {noun} with {node.hours:,} hours"
    if not node.level.endswith(f"|{_NO_CLASS}"):
        priors[node.level] = Prior(np.where(pooled, node.mean, base.values), variances, source, node.level)
    for child in node.children:
        _predict(child, spreads, base, pooled, priors)
