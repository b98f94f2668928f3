"""Reading a grid: orjson and the checks that the fold needs, without building a model of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from liqheat_shared.contracts.base import AGGREGATED
from liqheat_shared.contracts.dead_letters import Reason
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH
from liqheat_shared.folding import Origin, Rejected

#: A grid of 32 scopes with 2,048 bins a side is about 1 MB; anything above this is no grid.
MAXIMUM_BYTES = 8 << 20
MAXIMUM_SCOPES = 32
MAXIMUM_BINS = 16_384
MAXIMUM_MEMBERS = 256
#: exp(0.001 * 40,000) is far above any price; keeps exp() of a bin finite.
MAXIMUM_BIN = 40_000
PRICE_RANGE = (1e-12, 1e12)
#: More than the world has; keeps sums exact in float64.
MAXIMUM_USD = 1e15
_TIME_MS_END = 10_000_000_000_000
_PHASES = ("live", "backfill", "replay", "simulated")
_SCOPE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_MISSING = object()
_BEFORE_AN_ELEMENT = frozenset((b"[", b",", b" ", b"\t", b"\r", b"\n"))


@dataclass(frozen=True, slots=True)
class DecodedScope:
    """Map of one scope: whole USD per bin, longs and shorts over the same bins."""

    first_bin: int
    long_usd: list[int]
    short_usd: list[int]
    consumed_long_usd: float
    consumed_short_usd: float
    open_interest_usd: float
    mark_price: float
    live: bool


@dataclass(frozen=True, slots=True)
class DecodedGrid:
    """A checked grid: what the fold reads of it.

    Attributes
    ----------
    sigma_1h : float or None
        Standard deviation of the 1-hour log return. None: unknown, or too small or large to be one.
    average_true_range_1h : float or None
        In price units.
    volume_usd : float
        Traded in the interval that the grid closes.
    """

    origin: Origin
    phase: str
    event_time_ms: int
    cadence_ms: int
    mark_price: float
    sigma_1h: float | None
    average_true_range_1h: float | None
    volume_usd: float
    scopes: dict[str, DecodedScope]
    releases_quarantine: bool


def decode_grid(value: bytes, coin: str) -> DecodedGrid:
    """Read and check a message of ``liquidation-grids-v1``.

    Raises
    ------
    Rejected
        The message can't be used; nothing else is ever raised, whatever the bytes.
    """
    if len(value) > MAXIMUM_BYTES:
        _reject("oversized", f"{len(value)} bytes, at most {MAXIMUM_BYTES}")
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        _reject("not-json", str(error)[:200])
    if type(document) is not dict:
        _reject("not-an-object", f"a {type(document).__name__}")
    if document.get("schema_version", 1) != 1 or type(document.get("schema_version", 1)) is not int:
        _reject("unknown-schema-version", f"schema_version {_shown(document.get('schema_version'))}")
    if document.get("kind", "grid") != "grid":
        _reject("unknown-type", f"kind {_shown(document.get('kind'))}")
    if document.get("coin") != coin:
        _reject("wrong-key", f"coin {_shown(document.get('coin'))} under the key {coin}")
    return _grid(document, _may_hold_negative_elements(value))


def _may_hold_negative_elements(value: bytes) -> bool:
    """Whether any list of the JSON text may have a negative number in it.

    Such a number follows a bracket, a comma or white space. The texts of a grid hold few hyphens and none there, so
    this spares a pass over every list.
    """
    return any(part[-1:] in _BEFORE_AN_ELEMENT for part in value.split(b"-")[:-1])


def _grid(document: dict[str, Any], negative_elements: bool) -> DecodedGrid:
    width = _number(document, "bin_width", default=BIN_WIDTH)
    if abs(width - BIN_WIDTH) > 1e-12:
        _reject("invalid-field", f"bin_width {width}: clusters are kept in bins of {BIN_WIDTH}")
    if document.get("phase") not in _PHASES:
        _reject("invalid-field", f"phase {_shown(document.get('phase'))}")
    mark_price = _price(document, "mark_price")
    live_venues = _live_venues(document)
    return DecodedGrid(
        origin=Origin(
            _integer(document, "log_epoch", 1),
            _integer(document, "source_partition", 0),
            _integer(document, "source_offset", 0),
            _integer(document, "sequence", 1),
        ),
        phase=document["phase"],
        event_time_ms=_integer(document, "event_time_ms", 0, _TIME_MS_END - DAY_AND_A_HALF_MS),
        cadence_ms=_integer(document, "cadence_ms", 1, _TIME_MS_END),
        mark_price=mark_price,
        sigma_1h=_usable(_number(document, "sigma_1h", optional=True), 1e-6, 10.0),
        average_true_range_1h=_usable(
            _number(document, "average_true_range_1h", optional=True), 1e-7 * mark_price, 1e3 * mark_price
        ),
        volume_usd=_volume_usd(document),
        scopes=_scopes(document, live_venues, negative_elements),
        releases_quarantine=_releases(document),
    )


#: Room between the last acceptable time and the end of the time type, so that valid_until_ms stays inside.
DAY_AND_A_HALF_MS = 129_600_000


def _scopes(document: dict[str, Any], live_venues: set[str], negative_elements: bool) -> dict[str, DecodedScope]:
    scopes = document.get("scopes")
    if type(scopes) is not dict:
        _reject("invalid-field", f"scopes is {_shown(scopes)}")
    if len(scopes) > MAXIMUM_SCOPES:
        _reject("oversized", f"{len(scopes)} scopes, at most {MAXIMUM_SCOPES}")
    decoded = {}
    for name, scope in scopes.items():
        if not 1 <= len(name) <= 31 or not name[0].isalpha() or not _SCOPE_CHARACTERS.issuperset(name):
            _reject("invalid-field", f"scope {_shown(name)}")
        if type(scope) is not dict:
            _reject("invalid-field", f"scope {name} is {_shown(scope)}")
        live = bool(live_venues) if name == AGGREGATED else name in live_venues
        decoded[name] = _scope(scope, live, negative_elements)
    return decoded


def _scope(scope: dict[str, Any], live: bool, negative_elements: bool) -> DecodedScope:
    long_usd, short_usd = scope.get("long_usd"), scope.get("short_usd")
    if type(long_usd) is not list or type(short_usd) is not list or len(long_usd) != len(short_usd):
        _reject("invalid-field", "long_usd and short_usd are no lists of equal length")
    if len(long_usd) > MAXIMUM_BINS:
        _reject("oversized", f"{len(long_usd)} bins, at most {MAXIMUM_BINS}")
    for side, masses in (("long_usd", long_usd), ("short_usd", short_usd)):
        try:  # the sum of anything but integers is no integer, in one pass in C
            total = sum(masses)
            fine = type(total) is int and 0 <= total <= MAXIMUM_USD
            fine = fine and (not negative_elements or not masses or min(masses) >= 0)
        except TypeError:
            fine = False
        if not fine:
            _reject("invalid-field", f"{side} is no list of whole, non-negative USD")
    return DecodedScope(
        first_bin=_integer(scope, "first_bin", -MAXIMUM_BIN, MAXIMUM_BIN),
        long_usd=long_usd,
        short_usd=short_usd,
        consumed_long_usd=_usd(scope, "consumed_long_usd"),
        consumed_short_usd=_usd(scope, "consumed_short_usd"),
        open_interest_usd=_usd(scope, "open_interest_usd"),
        mark_price=_price(scope, "mark_price"),
        live=live,
    )


def _live_venues(document: dict[str, Any]) -> set[str]:
    provenance = document.get("provenance")
    members = provenance.get("members") if type(provenance) is dict else None
    if type(members) is not list:
        _reject("invalid-field", "provenance.members is no list")
    if len(members) > MAXIMUM_MEMBERS:
        _reject("oversized", f"{len(members)} members, at most {MAXIMUM_MEMBERS}")
    live = set()
    for member in members:
        if type(member) is not dict or type(member.get("venue")) is not str or type(member.get("state")) is not str:
            _reject("invalid-field", f"member {_shown(member)}")
        if member["state"] == "live":
            live.add(member["venue"])
    return live


def _volume_usd(document: dict[str, Any]) -> float:
    candle = document.get("candle")
    if candle is None:
        return 0.0
    if type(candle) is not dict:
        _reject("invalid-field", f"candle is {_shown(candle)}")
    return _usd(candle, "volume_usd")


def _releases(document: dict[str, Any]) -> bool:
    names = document.get("release_quarantine", [])
    if type(names) is not list:
        _reject("invalid-field", f"release_quarantine is {_shown(names)}")
    return "clusterer" in names


def _integer(document: dict[str, Any], name: str, least: int, most: int = 1 << 62) -> int:
    value = document.get(name)
    if type(value) is not int or not least <= value <= most:
        _reject("invalid-field", f"{name} is {_shown(value)}")
    return value


def _number(document: dict[str, Any], name: str, *, default: Any = _MISSING, optional: bool = False) -> Any:
    value = document.get(name, default)
    if value is None and optional:
        return None
    if type(value) is not float and type(value) is not int:
        _reject("invalid-field", f"{name} is {_shown(value) if value is not _MISSING else 'missing'}")
    if not math.isfinite(value):
        _reject("not-finite", f"{name} is {value}")
    return float(value)


def _price(document: dict[str, Any], name: str) -> float:
    value: float = _number(document, name)
    if value <= 0:
        _reject("invalid-field", f"{name} is {value}")
    if not PRICE_RANGE[0] <= value <= PRICE_RANGE[1]:
        _reject("absurd-price", f"{name} is {value}")
    return value


def _usd(document: dict[str, Any], name: str) -> float:
    value: float = _number(document, name)
    if not 0 <= value <= MAXIMUM_USD:
        _reject("invalid-field", f"{name} is {value}")
    return value


def _usable(value: float | None, least: float, most: float) -> float | None:
    return value if value is not None and least <= value <= most else None


def _shown(value: Any) -> str:
    return repr(value)[:100]


def _reject(reason: Reason, detail: str) -> NoReturn:
    raise Rejected(reason, detail)
