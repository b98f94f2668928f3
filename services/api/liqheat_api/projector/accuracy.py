"""The record of the map: the latest of each horizon, and the seven days before it."""

from __future__ import annotations

from liqheat_api.accuracy import answer
from liqheat_api.projector import views
from liqheat_api.projector.messages import InvalidMessageError, Message
from liqheat_api.projector.projection import Appending, Batch
from liqheat_api.projector.store import Command
from liqheat_shared.contracts.map_accuracy import MapAccuracy
from liqheat_shared.contracts.topics import MAP_ACCURACY


class AccuracyRecords(Appending):
    """Records of a coin, of all horizons under one fence: they come in the order of the log."""

    topic = MAP_ACCURACY

    def slot(self, message: Message) -> str:
        return f"accuracy|{message.coin}"

    async def append(self, messages: list[Message], batch: Batch) -> list[Command]:
        by_place: dict[tuple[str, str], list[MapAccuracy]] = {}
        events: list[Command] = []
        for message in messages:
            try:
                record = parse_record(message)
            except InvalidMessageError as error:
                batch.refuse(message, str(error))
                continue
            place = (self.keys.accuracy(record.coin, record.scope), answer.HORIZON_OF_MS[record.horizon_ms])
            by_place.setdefault(place, []).append(record)
            if batch.publish:
                # Without a scope: whoever looks at a venue's map wants to know how good the map is, too.
                events.append(self.event("accuracy", record.coin, "", record.model_dump_json().encode()))
        commands: list[Command] = []
        for (key, horizon), data in zip(by_place, await batch.values.hash_values(list(by_place)), strict=True):
            for record in by_place[key, horizon]:
                data = answer.with_record(data, record)
            name = f"{record.coin}|{record.scope}|{horizon}"
            commands.append(("HSET", key, horizon, data or b""))
            commands.append(("HSET", self.keys.accuracy_standings, name, answer.standing(record)))
        return commands + events


def parse_record(message: Message) -> MapAccuracy:
    """Read a message.

    Raises
    ------
    InvalidMessageError
        It breaks its contract, or its horizon is none that is shown.
    """
    record = views.parse(MapAccuracy, message)
    if record.horizon_ms not in answer.HORIZON_OF_MS:
        known = ", ".join(str(span_ms) for span_ms in answer.HORIZON_OF_MS)
        raise InvalidMessageError(f"horizon_ms: {record.horizon_ms} is none of {known}")
    return record
