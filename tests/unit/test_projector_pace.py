"""The projector lets more come in where single writes would be wasted, and never makes a live coin wait."""

from __future__ import annotations

import asyncio

from liqheat_api.projector.app import column_projections, consumers, live_projections
from liqheat_api.projector.counters import Counters
from liqheat_api.projector.messages import Fence, Message
from liqheat_api.projector.store import Store
from liqheat_api.settings import ProjectorSettings
from liqheat_shared.metrics import Metrics
from liqheat_shared.redis_keys import RedisKeys


def messages(*slots: str) -> dict[str, list[Message]]:
    return {slot: [message(slot)] for slot in slots}


def message(slot: str) -> Message:
    return Message(topic="t", partition=0, offset=0, coin=slot, fence=Fence(1, 0, 0), value=b"{}")


def test_one_value_a_second_is_written_at_once_and_a_flood_is_gathered() -> None:
    async def main() -> None:
        settings = ProjectorSettings()
        live, columns = consumers(settings, Store(settings), Counters(Metrics("projector")))
        try:
            assert not live._is_hurried(messages("grid|BTC", "grid|ETH"))
            assert not live._is_hurried(messages("grid|SOL"))
            assert live._is_hurried(messages("grid|BTC")), "the same coin again at once"
            live._written_at["grid|BTC"] -= 1.0
            assert not live._is_hurried(messages("grid|BTC")), "a second later"
            live._written_at.clear()
            assert live._is_hurried({"grid|BTC": [message("BTC"), message("BTC")]}), "two maps of one coin at once"
        finally:
            await live.consumer.stop()
            await columns.consumer.stop()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_facts_do_not_make_it_wait() -> None:
    keys = RedisKeys("x:")
    waiting = {item.topic for item in live_projections(keys, 100) if item.merges}
    assert waiting == {"liquidation-grids-v1", "cluster-sets-v1", "liquidation-magnets-v1"}
    assert all(item.merges for item in column_projections(keys, 100) if item.topic.startswith("heatmap-columns"))
