"""Reading grids: valid ones pass, broken ones are rejected with a reason, and nothing crashes."""

from __future__ import annotations

import copy
import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from liqheat_clusterer.core.clusterer_fold import ClustererFold
from liqheat_clusterer.core.decoded_grid import MAXIMUM_BINS, MAXIMUM_BYTES, MAXIMUM_SCOPES, decode_grid
from liqheat_shared.contracts.liquidation_grids import LiquidationGrid
from liqheat_shared.folding import Rejected
from synthetic_grids import START_MS, GridSettings, Hump, MapBuilder, build_grid, encode_grid


def valid_grid(**changes: Any) -> dict[str, Any]:
    builder = MapBuilder()
    builder.add(Hump(11_000, 2e7))
    return build_grid(START_MS, 5, {"aggregated": builder, "binance": builder}, GridSettings(**changes))


def changed(path: str, value: Any) -> bytes:
    """The grid with one field set, as JSON; Python's writer because it can write NaN."""
    grid = valid_grid()
    *parents, last = path.split(".")
    place: Any = grid
    for name in parents:
        place = place[int(name) if name.isdigit() else name]
    place[int(last) if last.isdigit() else last] = value
    return json.dumps(grid).encode()


def reason_of(message: bytes, coin: str = "BTC") -> str:
    with pytest.raises(Rejected) as caught:
        decode_grid(message, coin)
    assert len(caught.value.detail) < 400
    return caught.value.reason


def test_what_the_fold_reads_is_what_was_sent():
    grid = valid_grid(release_quarantine=("clusterer",))
    event = ClustererFold().decode(encode_grid(grid), "BTC", 0)
    assert event.origin == (1, 0, 35, 5)
    assert ClustererFold().origin(event) == event.origin
    assert ClustererFold().releases_quarantine(event)
    assert event.volume_usd == 100_000.0
    assert event.scopes["aggregated"].long_usd == grid["scopes"]["aggregated"]["long_usd"]
    assert [scope.live for scope in event.scopes.values()] == [True, True]


def test_unknown_fields_and_missing_optional_ones_pass():
    grid = valid_grid()
    grid["new_field"] = {"x": [-1, None]}
    for name in ("bin_width", "kind", "schema_version", "release_quarantine", "leverage_classes", "index_price"):
        del grid[name]
    grid["candle"] = None
    grid["sigma_1h"] = grid["average_true_range_1h"] = None
    LiquidationGrid.parse(grid)
    event = decode_grid(encode_grid(grid), "BTC")
    assert event.volume_usd == 0.0
    assert event.sigma_1h is None


@pytest.mark.parametrize("sigma", [0.0, 1e-300, 50.0])
def test_a_volatility_that_can_not_be_one_counts_as_unknown(sigma: float):
    assert decode_grid(changed("sigma_1h", sigma), "BTC").sigma_1h is None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "not-json"),
        (b"\xff\xfe", "not-json"),
        (b"{", "not-json"),
        (b"[1]", "not-an-object"),
        (b"null", "not-an-object"),
        (b"{}", "wrong-key"),
        (b" " * (MAXIMUM_BYTES + 1), "oversized"),
        (changed("schema_version", 2), "unknown-schema-version"),
        (changed("schema_version", True), "unknown-schema-version"),
        (changed("schema_version", None), "unknown-schema-version"),
        (changed("kind", "column"), "unknown-type"),
        (changed("coin", "ETH"), "wrong-key"),
        (changed("mark_price", float("nan")), "not-json"),
        (changed("mark_price", 0), "invalid-field"),
        (changed("mark_price", -5.0), "invalid-field"),
        (changed("mark_price", "60000"), "invalid-field"),
        (changed("mark_price", 1e13), "absurd-price"),
        (changed("scopes.binance.mark_price", 1e-13), "absurd-price"),
        (changed("event_time_ms", 1_750_000_000_000_000), "invalid-field"),
        (changed("event_time_ms", -1), "invalid-field"),
        (changed("event_time_ms", 1.5), "invalid-field"),
        (changed("log_epoch", 0), "invalid-field"),
        (changed("source_offset", True), "invalid-field"),
        (changed("sequence", None), "invalid-field"),
        (changed("cadence_ms", 0), "invalid-field"),
        (changed("phase", "tomorrow"), "invalid-field"),
        (changed("phase", ["live"]), "invalid-field"),
        (changed("bin_width", 0.002), "invalid-field"),
        (changed("sigma_1h", "high"), "invalid-field"),
        (changed("candle", 7), "invalid-field"),
        (changed("candle.volume_usd", -1), "invalid-field"),
        (changed("scopes", []), "invalid-field"),
        (changed("scopes.Binance", {}), "invalid-field"),
        (changed("scopes.aggregated", None), "invalid-field"),
        (changed("scopes.aggregated.first_bin", 1 << 40), "invalid-field"),
        (changed("scopes.aggregated.long_usd", None), "invalid-field"),
        (changed("scopes.aggregated.long_usd", [1, 2]), "invalid-field"),
        (changed("scopes.aggregated.long_usd.3", -1), "invalid-field"),
        (changed("scopes.aggregated.short_usd.0", -1), "invalid-field"),
        (changed("scopes.aggregated.long_usd.3", 1.5), "invalid-field"),
        (changed("scopes.aggregated.long_usd.3", "1"), "invalid-field"),
        (changed("scopes.aggregated.long_usd.3", None), "invalid-field"),
        (changed("scopes.aggregated.long_usd.3", [1]), "invalid-field"),
        (changed("scopes.aggregated.long_usd.3", 10**30), "invalid-field"),
        (changed("scopes.aggregated.consumed_long_usd", -1), "invalid-field"),
        (changed("scopes.aggregated.open_interest_usd", None), "invalid-field"),
        (changed("provenance", None), "invalid-field"),
        (changed("provenance.members", {}), "invalid-field"),
        (changed("provenance.members.0", "binance"), "invalid-field"),
        (changed("provenance.members", [{"venue": "a", "state": "live"}] * 300), "oversized"),
        (changed("release_quarantine", "clusterer"), "invalid-field"),
    ],
)
def test_a_broken_grid_is_rejected_with_its_reason(message: bytes, reason: str):
    assert reason_of(message) == reason


def test_a_number_that_overflows_is_rejected():
    message = encode_grid(valid_grid()).replace(b'"sigma_1h":0.005', b'"sigma_1h":1e999')
    assert reason_of(message) in ("not-json", "not-finite")


def test_too_many_scopes_or_bins_are_oversized():
    grid = valid_grid()
    scope = grid["scopes"]["aggregated"]
    grid["scopes"] = {f"v{number}": scope for number in range(MAXIMUM_SCOPES + 1)}
    assert reason_of(encode_grid(grid)) == "oversized"
    scope["long_usd"] = scope["short_usd"] = [0] * (MAXIMUM_BINS + 1)
    grid["scopes"] = {"aggregated": scope}
    assert reason_of(encode_grid(grid)) == "oversized"


@pytest.mark.parametrize("space", ["", " ", "\n", "\t", "\r\n"])
@pytest.mark.parametrize("place", [0, 1, 299])
def test_a_negative_element_is_found_wherever_it_hides(space: str, place: int):
    grid = valid_grid()
    grid["scopes"]["binance"]["short_usd"][place] = 5
    message = encode_grid(grid)
    start = message.rindex(b'"short_usd":[') + len(b'"short_usd":[')
    elements = message[start : message.index(b"]", start)].split(b",")
    elements[place] = space.encode() + b"-5"
    end = message.index(b"]", start)
    assert reason_of(message[:start] + b",".join(elements) + message[end:]) == "invalid-field"


def test_a_grid_from_before_the_last_one_is_out_of_order_and_changes_nothing():
    fold = ClustererFold()
    state = fold.new("BTC")
    fold.fold(state, fold.decode(encode_grid(valid_grid()), "BTC", 0))
    before = fold.dump(state)
    earlier = valid_grid()
    earlier["event_time_ms"] -= 1
    with pytest.raises(Rejected) as caught:
        fold.fold(state, fold.decode(encode_grid(earlier), "BTC", 0))
    assert caught.value.reason == "out-of-order"
    assert fold.dump(state) == before
    fold.rejected(state, "out-of-order")
    assert state.rejected_events == 1


ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.lists(st.integers(-5, 5), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document; of long lists the first two."""
    children: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value[:2]))
    return [found for key, child in children for found in [(*path, key), *paths_of(child, (*path, key))]]


PATHS = paths_of(valid_grid())


@settings(max_examples=400, deadline=None)
@given(path=st.sampled_from(PATHS), odd=ODD_VALUES, delete=st.booleans())
def test_a_mutated_grid_is_rejected_or_folds_and_never_crashes(path, odd, delete):
    grid = copy.deepcopy(valid_grid())
    place: Any = grid
    for key in path[:-1]:
        place = place[key]
    if delete:
        del place[path[-1]]
    else:
        place[path[-1]] = odd
    try:
        message = orjson.dumps(grid)
    except TypeError:  # an integer beyond 64 bits
        message = json.dumps(grid).encode()
    fold = ClustererFold()
    try:
        event = fold.decode(message, "BTC", 0)
    except Rejected:
        assert not usable(json.loads(message))
        return
    state = fold.new("BTC")
    fold.fold(state, event)
    fold.load(fold.dump(state), "BTC")


def usable(grid: dict[str, Any]) -> bool:
    """Whether the contract reads it, as a producer writes it, and it keeps within the few bounds of our own."""
    try:
        LiquidationGrid.model_validate(grid, strict=True)
    except ValidationError:
        return False
    return (
        grid["coin"] == "BTC"
        and type(grid.get("schema_version", 1)) is int
        and abs(grid.get("bin_width", 0.001) - 0.001) <= 1e-12
        and grid["event_time_ms"] < 9_000_000_000_000
        and all(1e-12 <= price <= 1e12 for price in prices_of(grid))
        and all(amount <= 1e15 for amount in amounts_of(grid))
        and all(abs(scope["first_bin"]) <= 40_000 for scope in grid["scopes"].values())
        and all(grid[name] < 1 << 43 for name in ("log_epoch", "source_partition", "source_offset", "sequence"))
        and grid["cadence_ms"] < 1 << 43
    )


def prices_of(grid: dict[str, Any]) -> list[float]:
    return [grid["mark_price"], *(scope["mark_price"] for scope in grid["scopes"].values())]


def amounts_of(grid: dict[str, Any]) -> list[float]:
    amounts = [0.0 if grid["candle"] is None else grid["candle"]["volume_usd"]]
    for scope in grid["scopes"].values():
        amounts += [scope[name] for name in ("consumed_long_usd", "consumed_short_usd", "open_interest_usd")]
        amounts += [sum(scope["long_usd"]), sum(scope["short_usd"])]
    return amounts


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 3_000), st.binary(max_size=4))
def test_garbage_never_crashes(garbage: bytes, place: int, patch: bytes):
    whole = encode_grid(valid_grid())
    for message in (garbage, whole[:place] + patch + whole[place + len(patch) :], whole[:place]):
        try:
            event = decode_grid(message, "BTC")
        except Rejected:
            continue
        fold = ClustererFold()
        fold.fold(fold.new("BTC"), event)
