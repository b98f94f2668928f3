"""``/docs``: the endpoints as plain HTML from the OpenAPI document. Nothing in it comes from another origin."""

from __future__ import annotations

from html import escape
from typing import Any

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
body{color:#dde3ea;background:#0b0f14}
h1{font-size:1.4rem}h2{font-size:1.05rem;margin:2rem 0 .3rem}code{font:13px ui-monospace,monospace;color:#8fd0ff}
a{color:#8fd0ff}table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top}
"""


def docs_html(openapi: dict[str, Any]) -> str:
    """The page for an OpenAPI document."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>liqheat api</title>",
        "<link rel=stylesheet href=/docs.css><h1>liqheat api</h1>",
        f"<p>{escape(openapi['info'].get('description', ''))} The machine-readable form: ",
        "<a href=/openapi.json>/openapi.json</a>.</p>",
    ]
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(path, method, operation))
    return "".join(parts)


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(_parameter(parameter) for parameter in operation.get("parameters", ()))
    table = f"<table><tr><th>parameter<th>where<th>meaning</tr>{rows}</table>" if rows else ""
    return (
        f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
        f"<p>{escape(operation.get('summary', ''))}. {escape(operation.get('description', ''))}</p>{table}"
    )


def _parameter(parameter: dict[str, Any]) -> str:
    default = parameter.get("schema", {}).get("default")
    meaning = parameter.get("description", "") + (f" Default: {default}." if default is not None else "")
    name = parameter["name"] + (" (required)" if parameter.get("required") else "")
    return f"<tr><td><code>{escape(name)}</code><td>{escape(parameter['in'])}<td>{escape(meaning)}</tr>"
