"""A task that loses a cancellation ends all the same."""

from __future__ import annotations

import asyncio
import logging

import pytest

from liqheat_api.server import build_services
from liqheat_api.settings import ApiSettings
from liqheat_shared.cancellation import end_tasks


async def _loses(cancellations: int) -> None:
    """Works on for ever, and takes so many cancellations for the end of a wait."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancellations -= 1
            if cancellations < 0:
                raise


async def _fails() -> None:
    raise ValueError("broken")


def test_lost_cancellations_are_repeated() -> None:
    async def main() -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(_loses(times)) for times in (0, 1, 3)]
        tasks.append(asyncio.create_task(_fails()))
        await asyncio.sleep(0)
        assert await end_tasks(tasks, 30)
        return tasks

    tasks = asyncio.run(asyncio.wait_for(main(), 60))
    assert [task.cancelled() for task in tasks] == [True, True, True, False]


def test_what_does_not_end_is_named_and_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        stubborn = asyncio.create_task(_loses(20), name="stubborn")
        await asyncio.sleep(0)
        assert not await end_tasks([stubborn], 0.5)
        assert await end_tasks([stubborn], 30)

    with caplog.at_level(logging.ERROR):
        asyncio.run(asyncio.wait_for(main(), 60))
    assert "are left behind: stubborn" in caplog.text


def test_no_tasks_have_ended() -> None:
    assert asyncio.run(end_tasks([], 0))


def test_the_hub_ends_though_the_redis_client_loses_a_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    """As redis-py does on Python 3.11 when it comes in the turn in which a command was sent."""

    class Follower:
        async def xrevrange(self, key: str, count: int) -> list[object]:
            return []

        async def xread(self, places: object, count: int, block: int) -> list[object]:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost.append(True)
                if len(lost) > 1:
                    raise
            return []

        async def aclose(self) -> None:
            pass

    lost: list[bool] = []

    async def main() -> None:
        services = build_services(ApiSettings(redis_url="redis://127.0.0.1:1", api_redis_timeout_ms=50))
        monkeypatch.setattr(services.view, "follower", lambda block_seconds: Follower())
        services.hub.start()
        while services.hub.problem is not None:
            await asyncio.sleep(0.01)
        await services.hub.stop()
        assert all(task.done() for task in services.hub._tasks)
        await services.view.close()

    asyncio.run(asyncio.wait_for(main(), 60))
    assert len(lost) == 2
