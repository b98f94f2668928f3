"""Bad input is refused with a sentence before anything connects: there is no broker at the address."""

from __future__ import annotations

from pathlib import Path

import pytest

from liqheat_shared.cli import run


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("replay", "NOTES"), "notes.csv: not a format that can be replayed: its first line is 'date,close'"),
        (("replay", "EMPTY"), "the folder has no .csv, .csv.gz, .jsonl or .jsonl.zst file"),
        (("replay", "NOWHERE"), "no such file or folder"),
        (("replay", "NOTES", "--day", "tomorrow"), "a day is written YYYY-MM-DD, not 'tomorrow'"),
        (("ingest", "--source", "replay:NOTES"), "not a format that can be replayed"),
        (("ingest", "--source", "moon"), "no source 'moon'; there are: live, simulator, replay:PATH"),
        (("ingest", "--source", "replay:"), "no source 'replay:'"),
        (("ingest", "--speed", "max"), "--speed max needs --hours or --until-ms"),
        (("ingest", "--coin", "XYZ"), "the simulator has no XYZ; it has BTC, ETH, SOL, AVAX, DOGE"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    monkeypatch.setenv("LIQHEAT_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    (tmp_path / "notes.csv").write_text("date,close\n2026-01-01,5\n")
    (tmp_path / "empty").mkdir()
    places = {"NOTES": tmp_path / "notes.csv", "EMPTY": tmp_path / "empty", "NOWHERE": tmp_path / "nowhere"}
    written = [_with_paths(argument, places) for argument in arguments]

    code = run(written)

    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert sentence in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("replay", "x", "--speed", "fast"), "a speed is a number or max, not 'fast'"),
        (("ingest", "--batch-ms", "70"), "LIQHEAT_INGEST_BATCH_MS: Value error, must be one of 10, 20, 25"),
    ],
)
def test_a_bad_option_ends_with_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(list(arguments))

    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def _with_paths(argument: str, places: dict[str, Path]) -> str:
    for name, path in places.items():
        argument = argument.replace(name, str(path))
    return argument
