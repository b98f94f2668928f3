"""Errors as answers: ``application/problem+json`` (RFC 9457) with a sentence that says what to do."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

log = logging.getLogger(__name__)

TITLES = {
    404: "Not found",
    405: "Method not allowed",
    422: "Bad parameter",
    500: "Internal error",
    503: "Not available now",
}
RETRY_AFTER_SECONDS = 2


class ProblemError(Exception):
    """An answer that is no success.

    Parameters
    ----------
    status : int
    detail : str
        A sentence.
    fields : object
        More members of the answer, e.g. ``allowed``.
    """

    def __init__(self, status: int, detail: str, **fields: object) -> None:
        super().__init__(detail)
        self.status, self.detail, self.fields = status, detail, fields


def unknown_coin(coin: str, coins: Iterable[str]) -> ProblemError:
    """404 that names the coins there are."""
    known = sorted(coins)
    there_are = f"There are: {', '.join(known)}." if known else "There is no map of any coin yet."
    return ProblemError(404, f"There is no map of {coin[:40]!r}. {there_are}", coins=known)


def bad_parameter(name: str, value: object, allowed: Iterable[str]) -> ProblemError:
    """422 that names what is allowed."""
    values = list(allowed)
    detail = f"{name} {str(value)[:60]!r} is not known here. Allowed: {', '.join(values)}."
    return ProblemError(422, detail, parameter=name, allowed=values)


def answer(problem: ProblemError) -> Response:
    """The problem as a response."""
    body = {"title": TITLES.get(problem.status, "Problem"), "status": problem.status, "detail": problem.detail}
    headers = {"Cache-Control": "no-store"}
    if problem.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return Response(
        orjson.dumps(body | problem.fields),
        status_code=problem.status,
        headers=headers,
        media_type="application/problem+json",
    )


def install(app: FastAPI) -> None:
    """Turn every error of the app into such an answer."""

    @app.exception_handler(ProblemError)
    async def problem(_: Request, error: ProblemError) -> Response:
        return answer(error)

    @app.exception_handler(RedisError)
    @app.exception_handler(OSError)
    async def redis_away(_: Request, error: Exception) -> Response:
        log.warning("Redis does not answer: %s: %s", type(error).__name__, error)
        return answer(ProblemError(503, "Redis does not answer, so the map cannot be read. Try again in a moment."))

    @app.exception_handler(RequestValidationError)
    async def bad_request(_: Request, error: RequestValidationError) -> Response:
        fault = error.errors()[0]
        name = str(fault["loc"][-1])
        given = str(fault.get("input"))[:60]
        return answer(ProblemError(422, f"{name} {given!r}: {fault['msg']}.", parameter=name))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return answer(ProblemError(404, f"There is nothing at {request.url.path[:200]}. See /docs."))
        return answer(ProblemError(error.status_code, f"{error.detail}."))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return answer(ProblemError(500, "Something is wrong here; the log of the api says what."))
