"""The commands about topics on a real broker: apply, list, tail, hash, dead letters, quarantine."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from liqheat_shared.cli import run
from liqheat_shared.contracts.market_events import Control
from liqheat_shared.contracts.topics import DEAD_LETTERS, LIQUIDATION_GRIDS, MARKET_EVENTS
from liqheat_shared.kafka.topic_admin import apply_topics
from liqheat_shared.kafka.topics import laptop_topics
from liqheat_shared.settings import ServiceSettings

pytestmark = pytest.mark.broker
Message = tuple[str, Any]


@pytest.fixture
def settings(broker_settings: ServiceSettings) -> ServiceSettings:
    return broker_settings


@pytest.fixture
def topics(settings: ServiceSettings) -> Iterator[ServiceSettings]:
    plans = [plan for plan in laptop_topics(settings) if plan.name.endswith(("-v1", "changelog"))]
    wanted = {settings.topic(name) for name in (MARKET_EVENTS, LIQUIDATION_GRIDS, DEAD_LETTERS)}
    asyncio.run(apply_topics(settings, [plan for plan in plans if plan.name in wanted]))
    yield settings
    asyncio.run(_delete(settings, sorted(wanted)))


async def _delete(settings: ServiceSettings, names: Sequence[str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics(list(names))
    finally:
        await admin.close()


def produce(settings: ServiceSettings, topic: str, messages: Sequence[Message]) -> None:
    async def main() -> None:
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
            for key, value in messages:
                content = value if isinstance(value, bytes) else orjson.dumps(value)
                # By hand, so that all orders within a partition are known.
                number = sum(key.encode()) % 2
                await asyncio.wait_for(
                    producer.send_and_wait(settings.topic(topic), content, key=key.encode(), partition=number), 30
                )

    asyncio.run(main())


def grid(coin: str, offset: int, mark_price: float) -> Message:
    value = {"event_id": f"1-0-{offset}-grid-0", "log_epoch": 1, "source_partition": 0, "source_offset": offset}
    return coin, value | {"sequence": offset + 1, "kind": "grid", "coin": coin, "mark_price": mark_price}


def output(capsys: pytest.CaptureFixture[str], arguments: list[str], expected_code: int = 0) -> str:
    capsys.readouterr()
    code = run(arguments)
    captured = capsys.readouterr()
    assert code == expected_code, captured.err
    return captured.out if expected_code == 0 else captured.err


# ---- apply


def test_apply_creates_all_once_and_then_finds_nothing_to_do(
    settings: ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [plan.name for plan in laptop_topics(settings)]
    try:
        first = output(capsys, ["topics", "apply", "--laptop"])
        assert first.splitlines() == [f"created    {name}" for name in names]
        second = output(capsys, ["topics", "apply", "--laptop", "--strict"])
        assert second.splitlines() == [f"unchanged  {name}" for name in names]
        listed = output(capsys, ["topics", "list"])
        assert "missing" not in listed
        assert listed.count("2 partitions, 1 replicas") == len(names)
    finally:
        asyncio.run(_delete(settings, names))


def test_apply_reports_another_partition_count_and_changes_nothing(
    topics: ServiceSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [topics.topic(name) for name in (MARKET_EVENTS, LIQUIDATION_GRIDS, DEAD_LETTERS)]
    for partitions in (1, 3):  # neither fewer nor more
        monkeypatch.setenv("LIQHEAT_PARTITIONS", str(partitions))
        changed = ServiceSettings()
        plans = [plan for plan in laptop_topics(changed) if plan.name in wanted]
        reports = asyncio.run(apply_topics(changed, plans))
        assert [(report.outcome, report.breaks) for report in reports] == [("drift", True)] * 3
        assert all(f"partitions: 2 instead of {partitions}" in report.drift for report in reports)
    monkeypatch.setenv("LIQHEAT_PARTITIONS", "2")
    plans = [plan for plan in laptop_topics(topics) if plan.name in wanted]
    assert {report.outcome for report in asyncio.run(apply_topics(topics, plans))} == {"unchanged"}


def test_apply_reports_what_somebody_else_configured(
    settings: ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    async def by_hand() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
        await admin.start()
        topic = NewTopic(settings.topic(DEAD_LETTERS), 2, 1, topic_configs={"retention.ms": "1000"})
        await admin.create_topics([topic])
        await admin.close()

    asyncio.run(by_hand())
    names = [plan.name for plan in laptop_topics(settings)]
    try:
        shown = output(capsys, ["topics", "apply", "--laptop"])
        assert f"drift      {settings.topic(DEAD_LETTERS)}\n" in shown
        assert "retention.ms: 1000 instead of 1209600000" in shown
        assert shown.count("created") == len(names) - 1
        output(capsys, ["topics", "apply", "--laptop", "--strict"], expected_code=1)
        assert "336 h" not in output(capsys, ["topics", "list"])
    finally:
        asyncio.run(_delete(settings, names))


def test_a_broker_that_is_not_there_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIQHEAT_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    for arguments in (["topics", "list"], ["tail", MARKET_EVENTS], ["dead-letters", "stats"]):
        error = output(capsys, arguments, expected_code=1)
        assert "127.0.0.1:1" in error
        assert "Traceback" not in error


# ---- tail


def test_tail_prints_each_value_as_a_line_of_json(topics: ServiceSettings, capsys: pytest.CaptureFixture[str]) -> None:
    messages = [grid("BTC", 0, 1.5), grid("ETH", 1, 2.5), grid("BTC", 2, 3.5), ("BTC|binance", {"a": [1, 2]})]
    produce(topics, LIQUIDATION_GRIDS, [*messages, ("BTCDOM", {"other": 1})])
    everything = ["tail", LIQUIDATION_GRIDS, "--from-beginning", "--until-now"]
    shown = [json.loads(line) for line in output(capsys, [*everything, "--json", "--coin", "BTC"]).splitlines()]
    # Another key may lie on another partition, and partitions come in any order.
    expected = [messages[0][1], messages[2][1], {"a": [1, 2]}]
    assert sorted(shown, key=repr) == sorted(expected, key=repr)
    assert [value for value in shown if "kind" in value] == expected[:2]
    lines = output(capsys, everything).splitlines()
    assert len(lines) == 5
    assert any(" BTC " in line and "mark_price=1.5" in line for line in lines)
    assert output(capsys, ["tail", LIQUIDATION_GRIDS, "--until-now"]) == "", "it began at the end"


def test_tail_goes_on_past_a_value_that_is_no_json_and_says_where(
    topics: ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    produce(topics, LIQUIDATION_GRIDS, [("BTC", b"{broken"), ("BTC", {"fine": 1})])
    capsys.readouterr()
    assert run(["tail", LIQUIDATION_GRIDS, "--from-beginning", "--until-now", "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.out == '{"fine":1}\n'
    assert "@0 is not JSON" in captured.err


def test_tail_of_a_topic_that_does_not_exist_names_it(
    settings: ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no topic" in output(capsys, ["tail", "no-such-topic", "--until-now"], expected_code=1)


# ---- hash


def hash_of(capsys: pytest.CaptureFixture[str], settings: ServiceSettings, messages: Sequence[Message]) -> Any:
    """Hash of a topic that holds just these messages."""

    async def create() -> None:
        plans = [plan for plan in laptop_topics(settings) if plan.name == settings.topic(LIQUIDATION_GRIDS)]
        await apply_topics(settings, plans)

    asyncio.run(create())
    produce(settings, LIQUIDATION_GRIDS, messages)
    result = json.loads(output(capsys, ["hash", LIQUIDATION_GRIDS, "--json"]))
    plain = output(capsys, ["hash", LIQUIDATION_GRIDS])
    assert plain == f"{result['hash']} {result['count']}\n"
    return result


def test_hash_sees_values_and_their_order_and_nothing_else(
    kafka_broker: str, topic_prefix: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIQHEAT_KAFKA_BOOTSTRAP_SERVERS", kafka_broker)
    monkeypatch.setenv("LIQHEAT_PARTITIONS", "2")
    counter = iter(range(100))

    def result(*messages: Message) -> Any:
        monkeypatch.setenv("LIQHEAT_TOPIC_PREFIX", f"{topic_prefix}{next(counter)}-")
        return hash_of(capsys, ServiceSettings(), messages)

    one, two, other = grid("BTC", 0, 1.0), grid("BTC", 1, 2.0), grid("ETH", 2, 9.0)
    plain = result(one, two, other)
    assert (plain["count"], plain["keys"], plain["repeats"]) == (3, 2, 0)

    repeated = result(one, two, one, other, two)
    assert (repeated["hash"], repeated["count"], repeated["repeats"]) == (plain["hash"], 3, 2)
    assert result(other, one, two)["hash"] == plain["hash"], "how keys interleave doesn't matter"
    moved = result(grid("BTC", 70, 1.0), grid("BTC", 71, 2.0), grid("ETH", 72, 9.0))
    assert moved["hash"] == plain["hash"], "where values lie doesn't matter"
    shuffled_fields = ("BTC", dict(reversed(list(one[1].items()))))
    assert result(shuffled_fields, two, other)["hash"] == plain["hash"], "the order of fields doesn't matter"

    assert result(one, grid("BTC", 1, 2.1), other)["hash"] != plain["hash"], "a value changed"
    assert result(two, one, other)["hash"] != plain["hash"], "the order within a key changed"
    assert result(one, two)["hash"] != plain["hash"], "a message is missing"
    assert result(one, two, ("SOL", other[1]))["hash"] != plain["hash"], "a key changed"


def test_hash_counts_values_without_an_id_every_time(
    topics: ServiceSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    produce(topics, MARKET_EVENTS, [("BTC", {"type": "heartbeat", "sequence": 0})] * 3)
    assert json.loads(output(capsys, ["hash", MARKET_EVENTS, "--json"]))["count"] == 3


# ---- dead letters and quarantine


def letter(number: int, **fields: Any) -> Message:
    value = {
        "event_id": f"estimator-1-0-{number}-dead-letter-0",
        "stage": "estimator",
        "reason": "invalid-field",
        "detail": f"price: {number}",
        "source_topic": MARKET_EVENTS,
        "source_partition": 0,
        "source_offset": number,
        "coin": "BTC",
        "raw_base64": base64.b64encode(b"\x1b[2Jraw").decode(),
    }
    return "BTC", value | fields


def test_dead_letters_are_listed_shown_and_counted(topics: ServiceSettings, capsys: pytest.CaptureFixture[str]) -> None:
    letters = [letter(number) for number in range(5)] + [letter(9, reason="not-json", coin=None)]
    produce(topics, DEAD_LETTERS, [*letters, letters[0], ("BTC", b"no letter")])
    last = output(capsys, ["dead-letters", "list", "--limit", "2", "--reason", "invalid-field"])
    assert [line.split()[0] for line in last.splitlines()[::2]] == [
        "estimator-1-0-3-dead-letter-0",
        "estimator-1-0-4-dead-letter-0",
    ]
    shown = output(capsys, ["dead-letters", "show", "estimator-1-0-3-dead-letter-0"])
    assert "price: 3" in shown
    assert "\x1b" not in shown, "a message must not drive the terminal"
    stats = json.loads(output(capsys, ["dead-letters", "stats", "--json"]))
    assert stats["total"] == 6, "a repeat counts once"
    assert stats["counts"][0] == {"stage": "estimator", "reason": "invalid-field", "coin": "BTC", "count": 5}
    assert "'nope'" in output(capsys, ["dead-letters", "show", "nope"], expected_code=1)


def test_a_release_is_an_order_in_the_market_log(topics: ServiceSettings, capsys: pytest.CaptureFixture[str]) -> None:
    produce(topics, DEAD_LETTERS, [letter(0, reason="fold-raised"), letter(1)])
    assert output(capsys, ["quarantine", "list"]).startswith("estimator  BTC      quarantined")
    # Whichever partition is the coin's, it holds what raised before the order comes.
    produce(topics, MARKET_EVENTS, [("BTC", {"type": "heartbeat"}), ("BTD", {"type": "heartbeat"})])
    order = ["quarantine", "release", "--coin", "BTC", "--stage", "estimator", "--reason", "fixed"]
    output(capsys, order)
    output(capsys, [*order[:5], "clusterer", "--operator", "ann"])
    lines = output(capsys, ["tail", MARKET_EVENTS, "--coin", "BTC", "--from-beginning", "--until-now", "--json"])
    orders = [Control.parse_strict(value) for line in lines.splitlines() if "action" in (value := json.loads(line))]
    assert [(each.stage, each.venue, each.symbol, each.phase, each.sequence) for each in orders] == [
        ("estimator", "operator", "operator", "live", 0),
        ("clusterer", "operator", "operator", "live", 0),
    ]
    assert orders[0].reason == "fixed"
    assert orders[1].operator == "ann"
    assert orders[0].ingest_epoch <= orders[1].ingest_epoch
    assert output(capsys, ["quarantine", "list"]).startswith("estimator  BTC      released since")


def test_a_bad_coin_is_refused_before_anything_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        run(["quarantine", "release", "--coin", "btc", "--stage", "estimator"])
    assert refused.value.code == 2
    assert "'btc' is no coin" in capsys.readouterr().err
