"""Reading files: formats refused, times in order, choices by coin and day."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liqheat_ingest.readings import BrokenLine, SourceError, Trade
from liqheat_ingest.sources import csv_files
from liqheat_ingest.sources.csv_files import DataFile
from liqheat_ingest.sources.replay import merge, open_replay

HEADER = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
START_US = 1_781_222_400_000_000


def row(after_us: int, symbol: str = "BTC", number: int = 0) -> str:
    time = START_US + after_us
    return f"hyperliquid,{symbol},{time},{time},{number},buy,100.0,1.0\n"


def tape(folder: Path, name: str, *rows: str) -> Path:
    path = folder / name
    path.write_text(HEADER + "".join(rows))
    return path


def trades(items: list[Any]) -> list[str]:
    return [str(item.trade_id) for item in items if isinstance(item, Trade)]


def broken(items: list[Any]) -> list[tuple[int, str]]:
    return [(item.line_number, item.reason) for item in items if isinstance(item, BrokenLine)]


def test_a_file_that_is_no_market_data_is_refused_with_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("date,close\n2026-01-01,5\n")

    with pytest.raises(SourceError, match=r"prices\.csv: not a format that can be replayed: .*'date,close'"):
        open_replay([path])


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02\xff", b"\x1f\x8bnot gzip after all"])
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "garbage.csv"
    path.write_bytes(content)

    with pytest.raises(SourceError, match=r"garbage\.csv: "):
        open_replay([path])


def test_an_empty_folder_and_a_missing_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"the folder has no \.csv"):
        open_replay([tmp_path])
    with pytest.raises(SourceError, match="no such file or folder"):
        open_replay([tmp_path / "nowhere"])


def test_a_tape_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no rows"):
        open_replay([tape(tmp_path, "tape.csv")])


def test_in_a_folder_what_is_no_market_data_is_passed_over_by_name(tmp_path: Path) -> None:
    tape(tmp_path, "tape.csv", row(0))
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    (tmp_path / "readme.txt").write_text("not looked at")

    source = open_replay([tmp_path])

    assert trades(list(source.items())) == ["0"]
    (sentence,) = source.refused
    assert "notes.csv" in sentence


def test_a_folder_of_nothing_but_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n")
    (tmp_path / "b.csv").write_text("a,b\n")

    with pytest.raises(SourceError, match=r"a\.csv.*1 other files"):
        open_replay([tmp_path])


def test_a_time_far_ahead_costs_one_line_and_not_the_rest(tmp_path: Path) -> None:
    day_us = 86_400_000_000
    path = tape(tmp_path, "tape.csv", row(0, number=1), row(day_us, number=2), row(1000, number=3), row(2000, number=4))

    items = list(open_replay([path]).items())

    assert trades(items) == ["1", "3", "4"]
    assert broken(items) == [(3, "out-of-order")]


def test_a_time_far_ahead_in_the_first_line_costs_one_line(tmp_path: Path) -> None:
    path = tape(tmp_path, "tape.csv", row(3_600_000_000, number=1), row(1000, number=2), row(2000, number=3))

    items = list(open_replay([path]).items())

    assert trades(items) == ["2", "3"]
    assert broken(items) == [(2, "out-of-order")]


def test_a_time_far_behind_costs_one_line(tmp_path: Path) -> None:
    minute_us = 60_000_000
    rows = (row(n * minute_us, number=n) for n in (10, 11, 0, 12))
    items = list(open_replay([tape(tmp_path, "tape.csv", *rows)]).items())

    assert trades(items) == ["10", "11", "12"]
    assert broken(items) == [(4, "out-of-order")]


def test_a_little_disorder_is_kept(tmp_path: Path) -> None:
    path = tape(tmp_path, "tape.csv", row(5_000_000, number=1), row(0, number=2), row(5_500_000, number=3))

    items = list(open_replay([path]).items())

    assert trades(items) == ["1", "2", "3"]
    assert not broken(items)


def test_a_truncated_gzip_is_read_up_to_the_damage(tmp_path: Path) -> None:
    whole = gzip.compress((HEADER + "".join(row(n * 1000, number=n) for n in range(50_000))).encode())
    path = tmp_path / "tape.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])

    items = list(open_replay([path]).items())

    assert len(trades(items)) > 10_000
    assert isinstance(items[-2], BrokenLine) or isinstance(items[-1], BrokenLine)
    (letter,) = [item for item in items if isinstance(item, BrokenLine)]
    assert "damaged from here on" in letter.detail


def test_a_file_that_is_not_what_its_header_says_stops_the_replay(tmp_path: Path) -> None:
    path = tape(tmp_path, "tape.csv", row(0), row(1), *["nonsense\n"] * csv_files.MAX_BROKEN_RUN)

    with pytest.raises(SourceError, match=r"1000 lines in a row can't be read"):
        list(open_replay([path]).items())


def test_only_the_chosen_coins_and_days_are_read(tmp_path: Path) -> None:
    day_us = 86_400_000_000
    tape(tmp_path, "x_trades_2026-06-12_BTC.csv", row(0, number=1), row(day_us, number=2))
    tape(tmp_path, "x_trades_2026-06-12_ALL.csv", row(5, "ETH", 3), row(6, "BTC", 4), row(7, "SOL", 5))
    day = START_US // day_us

    assert trades(list(open_replay([tmp_path], ["BTC"]).items())) == ["1", "4", "2"]
    assert trades(list(open_replay([tmp_path], ["ETH", "SOL"], [day]).items())) == ["3", "5"]
    assert trades(list(open_replay([tmp_path], (), [day]).items())) == ["1", "3", "4", "5"]
    with pytest.raises(SourceError, match="no row of XRP"):
        open_replay([tmp_path], ["XRP"])
    with pytest.raises(SourceError):
        open_replay([tmp_path], (), [day - 1])


def test_equal_times_come_in_the_order_of_the_file_names(tmp_path: Path) -> None:
    tape(tmp_path, "b.csv", row(0, number=3), row(10, number=4))
    tape(tmp_path, "a.csv", row(0, number=1), row(0, number=2), row(10, number=5))

    assert trades(list(open_replay([tmp_path]).items())) == ["1", "2", "3", "5", "4"]


def test_progress_reaches_the_whole(tmp_path: Path) -> None:
    source = open_replay([tape(tmp_path, "a.csv", *(row(n, number=n) for n in range(5_000)))])
    shares = []
    for number, _ in enumerate(source.items()):
        if number % 1_000 == 0:
            shares.append(source.share_done())

    assert shares == sorted(shares)  # type: ignore[type-var]
    assert source.share_done() == 1.0


runs = st.lists(st.lists(st.integers(0, 40), max_size=25).map(sorted), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(runs)
def test_the_merge_is_a_stable_sort(times: list[list[int]]) -> None:
    """Oracle: sort everything by (time, file, line). Every file is opened no earlier than its first time."""
    files = [DataFile(Path(str(n)), "tardis-trades", True, lambda columns: None, None) for n in range(len(times))]
    opened: list[int] = []
    for file, run in zip(files, times, strict=True):
        file.first_us = run[0] if run else 0

    def read_file(file: DataFile) -> Any:
        number = int(file.path.name)
        opened.append(number)
        for line, time in enumerate(times[number]):
            yield time, (number, line)

    merged = list(merge(files, read_file))

    expected = sorted((time, number, line) for number, run in enumerate(times) for line, time in enumerate(run))
    assert [(time, *item) for time, item in merged] == expected
    assert sorted(opened) == list(range(len(times)))
