"""How far from liquidation real positions stand, and how long they live: ``python benchmarks/position_lifetimes.py``.

Reads ``shared/data/hyperliquid-positions`` (about four snapshots a day, 4 to 12 February 2026, through the crash of
5 and 6 February) and prints tables in Markdown, from which half-lives by layer are set. Same data, same output.

What the data is, and is not: the largest and most profitable accounts of one venue, not a census, and other accounts in
each snapshot. So a position has ended only if its account is seen again without it; an account that is never seen again
is censored, and the column "if gone is closed" shows the other extreme. Positions that were opened and closed between
two snapshots are never seen: only the two mornings with a snapshot every quarter of an hour show the short-lived ones.
A liquidation is an end whose liquidation price was reached since the last sighting, by hourly candles (BTC), prices
every five minutes (seven coins) or the snapshots' marks (the others: no wicks); the owner may have closed before that.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from real_positions import HOUR_MS, NAMES, NONE, POSITIONS, Floats, PricePath, Seen, margin_modes, read_positions

#: A liquidation price has left where it stood when it is this far off in ln.
MOVED = 0.02
SIDES = ("long", "short")
#: A position counts as born in sight if its account had been seen without it not longer ago.
BIRTH_HOURS = 12
#: Ends below which no interval is shown.
ENOUGH = 10
Sightings = dict[int, dict[tuple[str, str], Seen]]


class Stretch(NamedTuple):
    """A position between two sightings of its account."""

    account: str
    account_positions: int
    first_layer: int
    side: str
    notional_usd: float  # when first seen
    was_born: bool  # in sight: the account had been seen without it not long before
    age_hours: float  # since first seen
    hours: float
    end: str  # "", "closed" or "liquidated"
    moved_before: bool  # its liquidation price had left where it was first seen
    moved: bool


def by_account(rows: list[Seen]) -> dict[str, Sightings]:
    """Account to time to (coin, side) to row, times rising."""
    accounts: dict[str, Sightings] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        accounts[row.account][row.time_ms][row.coin, row.side] = row
    return accounts


def stretches_of(rows: list[Seen], path: PricePath, *, gone_is_closed: bool = False) -> list[Stretch]:
    """Every position of every account, cut at the sightings of the account.

    ``gone_is_closed``: an account that is never seen again closed everything by the next snapshot.
    """
    times = sorted({row.time_ms for row in rows})
    following = dict(itertools.pairwise(times))
    accounts = by_account(rows)
    result: list[Stretch] = []
    for sightings in accounts.values():
        moments = list(sightings.items())
        if gone_is_closed and moments[-1][0] in following:
            moments.append((following[moments[-1][0]], {}))
        first: dict[tuple[str, str], tuple[Seen, bool]] = {key: (row, False) for key, row in moments[0][1].items()}
        moved: set[tuple[str, str]] = set()
        for (before_ms, before), (now_ms, now) in itertools.pairwise(moments):
            for key, row in before.items():
                start, was_born = first[key]
                end = "" if key in now else "closed"
                if end and path.reached(row.coin, row.sign, row.liquidation_price, before_ms, now_ms):
                    end = "liquidated"
                moved_before, moves = key in moved, key in now and _has_moved(start, now[key])
                hours = (now_ms - before_ms) / HOUR_MS
                age = (before_ms - start.time_ms) / HOUR_MS
                kept = row.account, len(before), start.layer, row.side, start.notional_usd, was_born
                result.append(Stretch(*kept, age, hours, end, moved_before, moves and not moved_before))
                if moves:
                    moved.add(key)
                if end:
                    moved.discard(key)
                    del first[key]
            for key, row in now.items():
                if key not in before:
                    first[key] = row, (now_ms - before_ms) <= BIRTH_HOURS * HOUR_MS
    return result


def _has_moved(start: Seen, now: Seen) -> bool:
    if start.liquidation_price is None or now.liquidation_price is None:
        return start.liquidation_price is not now.liquidation_price
    return abs(np.log(now.liquidation_price / start.liquidation_price)) >= MOVED


def half_life_hours(hours: Floats, ended: Floats, weights: Floats) -> float:
    """Maximum-likelihood half-life of a constant hazard from stretches whose end is known to an interval only.

    A stretch that ended adds ``ln(1 - exp(-rate * hours))``, one that did not ``-rate * hours``. Infinite where nothing
    ended, 0 where nothing survived.
    """
    survived, gone = (hours * weights * (1 - ended)).sum(), ended > 0
    if not (weights * ended).sum():
        return float("inf")
    if not survived:
        return 0.0
    low, high = np.log(1e-6), np.log(100.0)
    for _ in range(50):
        rate = np.exp((low + high) / 2)
        product = np.clip(rate * hours[gone], None, 500)
        slope = (weights[gone] * hours[gone] / np.expm1(product)).sum() - survived
        low, high = ((low + high) / 2, high) if slope > 0 else (low, (low + high) / 2)
    return float(np.log(2) / np.exp(low))


def _half_life(stretches: list[Stretch], *, of_price: bool = False, by_notional: bool = False) -> float:
    used = [s for s in stretches if not (of_price and s.moved_before)]
    hours = np.array([s.hours for s in used])
    ended = np.array([float(bool(s.end) or (of_price and s.moved)) for s in used])
    weights = np.array([s.notional_usd if by_notional else 1.0 for s in used])
    return half_life_hours(hours, ended, weights) if used else float("nan")


def _interval(stretches: list[Stretch], repeats: int = 200) -> tuple[float, float]:
    """95 % interval of the half-life, whole accounts drawn again with replacement: one owner's positions end alike."""
    accounts, index = np.unique([s.account for s in stretches], return_inverse=True)
    hours, ended = np.array([s.hours for s in stretches]), np.array([float(bool(s.end)) for s in stretches])
    generator = np.random.default_rng(20260212)
    found = [
        half_life_hours(
            hours, ended, generator.multinomial(len(accounts), np.full(len(accounts), 1 / len(accounts)))[index]
        )
        for _ in range(repeats)
    ]
    return float(np.percentile(found, 2.5)), float(np.percentile(found, 97.5))


def after_a_day(rows: list[Seen], path: PricePath) -> dict[int, Counter[str]]:
    """What became of positions 18 to 30 hours after they were first seen, by first layer.

    Only positions whose account is seen in that time; the sighting nearest to 24 hours decides.
    """
    accounts = by_account(rows)
    result: dict[int, Counter[str]] = defaultdict(Counter)
    for sightings in accounts.values():
        moments = sorted(sightings)
        for number, moment in enumerate(moments):
            for key, row in sightings[moment].items():
                if number and key in sightings[moments[number - 1]]:
                    continue
                later = [t for t in moments if 18 <= (t - moment) / HOUR_MS <= 30]
                if later:
                    target = min(later, key=lambda t: abs(t - moment - 24 * HOUR_MS))
                    result[row.layer][_fate(sightings, moments, number, target, key, path)] += 1
    return result


def _fate(
    sightings: Sightings,
    moments: list[int],
    number: int,
    target: int,
    key: tuple[str, str],
    path: PricePath,
) -> str:
    start = sightings[moments[number]][key]
    for before, now in zip(moments[number:], moments[number + 1 :], strict=False):
        if now > target:
            break
        if key not in sightings[now]:
            last = sightings[before][key]
            reached = path.reached(last.coin, last.sign, last.liquidation_price, before, now)
            return "liquidated" if reached else "closed"
    return "moved" if _has_moved(start, sightings[target][key]) else "stands"


def table(title: str, head: list[str], lines: list[list[str]]) -> None:
    """One table in Markdown."""
    print(f"\n### {title}\n\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for line in lines:
        print(f"| {' | '.join(line)} |")


def print_shares(rows: list[Seen]) -> None:
    """Notional by layer, side and day, each snapshot counting alike."""
    for side in SIDES:
        snapshots: dict[int, Floats] = {}
        for row in rows:
            if row.side == side:
                snapshots.setdefault(row.time_ms, np.zeros(len(NAMES)))[row.layer] += row.notional_usd
        days: dict[str, list[Floats]] = defaultdict(list)
        for time_ms, sums in snapshots.items():
            days[datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%m-%d")].append(sums)
        lines = []
        for name, parts in [*days.items(), ("days alike", [np.mean(v, axis=0) / np.mean(v) for v in days.values()])]:
            total = np.mean(parts, axis=0)
            usd = f"{total.sum() / 1e6:,.0f}" if name in days else ""
            lines.append([name, usd, *(f"{share:.1%}"[:-1] for share in total / total.sum())])
        table(f"Notional by layer, {side}s, % of the day's mean", ["day", "million USD", *NAMES], lines)


def print_half_lives(stretches: list[Stretch], gone: list[Stretch], fates: dict[int, Counter[str]]) -> None:
    """Half-lives and fates by first layer."""
    lines = []
    for layer, name in enumerate(NAMES):
        mine = [s for s in stretches if s.first_layer == layer]
        if not mine:
            lines.append([name, "0", *[""] * 12])
            continue
        ends = sum(bool(s.end) for s in mine)
        low, high = _interval(mine) if ends >= ENOUGH else (np.nan, np.nan)
        fate, known = fates[layer], max(sum(fates[layer].values()), 1)
        lines.append(
            [
                name,
                str(ends),
                f"{sum(s.hours for s in mine) / 24:,.0f}",
                _hours(_half_life(mine)),
                f"{_hours(low)} to {_hours(high)}" if ends >= ENOUGH else "",
                _hours(_half_life([s for s in mine if s.was_born])),
                _hours(_half_life(mine, by_notional=True)),
                _hours(_half_life([s for s in gone if s.first_layer == layer])),
                _hours(_half_life(mine, of_price=True)),
                str(sum(fate.values())),
                *(f"{fate[what] / known:.0%}"[:-1] for what in ("closed", "liquidated", "moved", "stands")),
            ]
        )
    head = "first layer|ends|position-days|half-life h|95 %|born in sight|by notional|if gone is closed|of the price"
    head += "|seen after a day|closed %|liquidated %|moved 2 % or more %|stands %"
    table("How long positions live, by the layer that they were first seen in", head.split("|"), lines)


def print_half_lives_by_group(stretches: list[Stretch]) -> None:
    """Is the hazard constant in age, and the same for both sides and for small accounts? Half-life (ends seen)."""
    groups = {"up to 4.4 %": range(7), "4.4 to 11.5 %": range(7, 9), "11.5 to 48 %": range(9, 12)}
    groups |= {"beyond": range(12, 13), "no price": range(13, 14), "all": range(14)}
    ages = [(0, 1), (1, 12), (12, 48), (48, 1e9)]
    lines = []
    for name, layers in groups.items():
        mine = [s for s in stretches if s.first_layer in layers]
        born = [s for s in mine if s.was_born]
        parts = [[s for s in mine if s.side == side] for side in SIDES]
        parts.append([s for s in mine if s.account_positions <= 3])
        # A stretch counts for an age only if it lies in it, or else the first hour would be four or ten hours long.
        parts += [[s for s in born if low <= s.age_hours and s.age_hours + s.hours / 2 < high] for low, high in ages]
        lines.append([name, *(f"{_hours(_half_life(p))} ({sum(bool(s.end) for s in p)})" if p else "" for p in parts)])
    head = ["first layer", "longs", "shorts", "accounts of 1 to 3 positions", "born in sight: in the first hour"]
    table("Half-life in hours (ends seen), by group", [*head, "1 to 12 h", "12 to 48 h", "older"], lines)


def print_margin_modes(rows: list[Seen]) -> None:
    """Share of notional by margin mode and with no liquidation price."""
    modes = margin_modes(rows)
    lines = []
    for side in (*SIDES, "both"):
        sums: Counter[tuple[str, bool]] = Counter()
        for row, mode in zip(rows, modes, strict=True):
            if side in (row.side, "both"):
                sums[mode, row.layer == NONE] += row.notional_usd
        total = sum(sums.values())
        shares = [sums[mode, none] / total for mode in ("cross", "isolated", "unknown") for none in (False, True)]
        lines.append([side, *(f"{share:.1%}"[:-1] for share in shares), f"{sum(shares[1::2]):.1%}"[:-1]])
    head = [f"{mode}, {what}" for mode in ("cross", "isolated", "unknown") for what in ("with price", "no price")]
    table("Margin modes read from the prices, % of notional", ["side", *head, "no price in all"], lines)


def _hours(value: float) -> str:
    if not np.isfinite(value):
        return "no end seen" if value == np.inf else ""
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def main() -> None:
    """Print every table."""
    if not POSITIONS.exists():
        raise SystemExit(f"{POSITIONS} is not here")
    rows = read_positions()
    path = PricePath(rows)
    stretches = stretches_of(rows, path)
    print_shares(rows)
    print_half_lives(stretches, stretches_of(rows, path, gone_is_closed=True), after_a_day(rows, path))
    print_half_lives_by_group(stretches)
    print_margin_modes(rows)


if __name__ == "__main__":
    main()
