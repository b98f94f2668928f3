"""Priors for markets, for classes of markets, for venues and for all: a market takes the nearest that exists.

A table is data, ``priors.json`` or a file that an operator names. Its levels, the nearest first:

* ``binance|BTC/USDT:USDT``  a market
* ``binance|100x+``          the markets of a venue with leverage up to so much, by which venues rank their coins
* ``binance``                a venue: how much it reports at all
* ``*``                      all
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final

import numpy as np

from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.learning.prior import Prior, hourly_drift
from liqheat_estimator.core.learning.structure import parameter_names
from liqheat_estimator.core.parameters import EstimatorParameters

ALL: Final = "*"
#: Lower bounds of the classes by the highest leverage that a venue allows on a market.
_CLASSES: Final = ((100.0, "100x+"), (50.0, "50x-99x"), (20.0, "20x-49x"), (0.0, "below-20x"))
#: Letters of the digest in a model's version.
_DIGEST_LETTERS: Final = 8


def leverage_class(max_leverage: float | None) -> str | None:
    """Class of a market by the highest leverage that its venue allows; None while that is unknown.

    >>> leverage_class(125), leverage_class(75), leverage_class(10), leverage_class(None)
    ('100x+', '50x-99x', 'below-20x', None)
    """
    if max_leverage is None:
        return None
    return next(name for least, name in _CLASSES if max_leverage >= least)


def levels_of(venue: str, symbol: str, market_class: str | None) -> tuple[str, ...]:
    """Levels that are for a market, the nearest first.

    >>> levels_of("okx", "SOL/USDT:USDT", "100x+")
    ('okx|SOL/USDT:USDT', 'okx|100x+', 'okx', '*')
    """
    nearest = [f"{venue}|{symbol}"]
    if market_class is not None:
        nearest.append(f"{venue}|{market_class}")
    return (*nearest, venue, ALL)


@dataclass(frozen=True, slots=True, eq=False)
class PriorTable:
    """Priors by level.

    Parameters
    ----------
    levels : dict
        ``*`` is among them, so that every market has one.
    layers : int
        Leverage classes that the parameters are for.
    digest : str
        Of the data, for a model's version; empty: the shipped table.

    Raises
    ------
    ValueError
        There is no prior for all.

    Examples
    --------
    >>> from liqheat_estimator.core.learning.prior import uninformed_prior
    >>> table = PriorTable({"*": uninformed_prior(2)}, 2)
    >>> table.of("binance", "BTC/USDT:USDT", "100x+").source
    'none'
    """

    levels: Mapping[str, Prior]
    layers: int
    digest: str = ""
    drift: Floats = field(init=False)

    def __post_init__(self) -> None:
        if ALL not in self.levels:
            raise ValueError(f"a table of priors needs the level {ALL!r}, for markets that no other level is for")
        object.__setattr__(self, "drift", hourly_drift(self.layers))

    @classmethod
    def single(cls, prior: Prior, layers: int) -> PriorTable:
        """The same for every market."""
        return cls({ALL: prior}, layers)

    def of(self, venue: str, symbol: str, market_class: str | None) -> Prior:
        """The nearest prior of a market."""
        return next(self.levels[level] for level in levels_of(venue, symbol, market_class) if level in self.levels)

    def model_version(self, model_version: str) -> str:
        """Version of a model with these priors: another table makes other maps.

        >>> PriorTable.single(Prior(np.zeros(1), np.ones(1), "", "*"), 1).model_version("layered-flow-2")
        'layered-flow-2'
        """
        return f"{model_version}+priors-{self.digest}" if self.digest else model_version


# ---- as data


def read_table(text: str, parameters: EstimatorParameters, *, shipped: bool = False) -> PriorTable:
    """A table from its JSON.

    Raises
    ------
    ValueError
        It is no such document, is for another model or other layers, or a value can't be; it says which.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("levels"), dict):
        raise ValueError("a table of priors is an object with `model_version` and `levels`")
    if document.get("model_version") != parameters.model_version:
        made_for = document.get("model_version")
        raise ValueError(f"made for the model {made_for!r}, this is {parameters.model_version!r}: pool the priors anew")
    names = parameter_names(parameters.layer_names)
    levels = {level: _read_level(level, content, names) for level, content in document["levels"].items()}
    digest = "" if shipped else hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LETTERS]
    return PriorTable(levels, len(parameters.leverages), digest)


def _read_level(level: str, content: Any, names: tuple[str, ...]) -> Prior:
    if not isinstance(content, dict) or not isinstance(content.get("parameters"), dict):
        raise ValueError(f"level {level!r}: no `parameters`")
    rows = content["parameters"]
    if list(rows) != list(names):
        raise ValueError(f"level {level!r} was made for other layers or parameters than this model has")
    for name, row in rows.items():
        if not (isinstance(row, list) and len(row) == 2 and all(_is_number(each) for each in row) and row[1] > 0):
            raise ValueError(f"level {level!r}, {name}: {row!r} is no pair of a mean and a variance above 0")
    values, variances = (np.array([row[place] for row in rows.values()], dtype=np.float64) for place in (0, 1))
    return Prior(values, variances, str(content.get("source", "not said")), level)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def write_table(priors: Mapping[str, Prior], parameters: EstimatorParameters) -> str:
    """JSON of a table; the same levels give the same text."""
    names = parameter_names(parameters.layer_names)
    levels = {
        level: {
            "source": prior.source,
            "parameters": {
                name: [round(float(value), 4), round(float(variance), 4)]
                for name, value, variance in zip(names, prior.values, prior.variances, strict=True)
            },
        }
        for level, prior in sorted(priors.items())
    }
    return json.dumps({"model_version": parameters.model_version, "levels": levels}, indent=1) + "\n"


@cache
def shipped_priors(parameters: EstimatorParameters) -> PriorTable:
    """The table of ``priors.json``.

    Raises
    ------
    ValueError
        It was made for other layers or another model.
    """
    text = resources.files("liqheat_estimator.core.learning").joinpath("priors.json").read_text(encoding="utf-8")
    try:
        return read_table(text, parameters, shipped=True)
    except ValueError as fault:
        raise ValueError(f"priors.json: {fault}") from None
