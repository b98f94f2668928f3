"""Which topics were asked for, acknowledged and refused on one connection. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from liqheat_ingest.sources.live.venues.feed import Acknowledgement, Topic


class Subscriptions:
    """Subscription requests under way.

    Attributes
    ----------
    refused : dict
        Why, by topic: a topic that the venue does not have must not keep the others from flowing.

    Examples
    --------
    >>> good, bad = Topic("a", "x", "x", ()), Topic("a", "y", "y", ())
    >>> under_way = Subscriptions()
    >>> under_way.asked("1", [good, bad])
    >>> under_way.answered(Acknowledgement((), "1", "no such topic: y"))  # one bad name refused them all
    [Topic(address='a', name='x', argument='x', streams=(), is_of_all=False)]
    >>> under_way.refused, under_way.waiting
    ({'y': 'no such topic: y'}, 0)
    """

    def __init__(self) -> None:
        self._asked: dict[str, list[Topic]] = {}
        self.refused: dict[str, str] = {}

    def asked(self, request_id: str, topics: Sequence[Topic]) -> None:
        """A request was sent; what was refused before may stand now."""
        for topic in topics:
            self.refused.pop(topic.name, None)
        self._asked[request_id] = list(topics)

    def forget(self) -> None:
        """The connection is another: nothing is under way."""
        self._asked.clear()

    @property
    def waiting(self) -> int:
        """Topics that were not answered yet."""
        return sum(map(len, self._asked.values()))

    def answered(self, said: Acknowledgement) -> list[Topic]:
        """Take what the venue said; topics that are to be asked for again."""
        if said.problem is not None:
            return self._refuse(said.request_id, said.problem)
        if said.request_id is not None:
            self._asked.pop(said.request_id, None)
        else:
            self._drop(lambda topic: topic.name in said.names)
        return []

    def _refuse(self, request_id: str | None, problem: str) -> list[Topic]:
        request = self._asked.pop(request_id, []) if request_id is not None else []
        named = [topic for topics in (request, *self._asked.values()) for topic in topics if _is_named(topic, problem)]
        for topic in named or request:
            self.refused[topic.name] = problem
        self._drop(lambda topic: topic in named)
        return [topic for topic in request if topic not in named] if named else []

    def _drop(self, is_done: Callable[[Topic], bool]) -> None:
        for number, topics in list(self._asked.items()):
            left = [topic for topic in topics if not is_done(topic)]
            if left:
                self._asked[number] = left
            else:
                del self._asked[number]


def _is_named(topic: Topic, problem: str) -> bool:
    """Whether a refusal speaks of a topic: it quotes the topic, or channel and symbol."""
    parts = topic.argument.values() if isinstance(topic.argument, dict) else [topic.argument]
    return all(str(part) in problem for part in parts)
