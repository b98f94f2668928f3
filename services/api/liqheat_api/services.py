"""What the endpoints share, made once a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from liqheat_api.freshness import Freshness
from liqheat_api.settings import ApiSettings
from liqheat_api.stream.hub import Hub
from liqheat_api.view import View
from liqheat_shared.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the api."""

    settings: ApiSettings
    metrics: Metrics
    view: View
    freshness: Freshness
    hub: Hub


def get_services(request: Request) -> Services:
    """The services of the app that answers this request."""
    return cast("Services", request.app.state.services)


Shared = Annotated[Services, Depends(get_services)]
