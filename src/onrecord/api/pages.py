"""Pages for people: the API's reference and its error codes, and the OpenAPI document for programs.

Plain HTML without scripts or foreign hosts, so that it works on a machine without internet access.
"""

import json
from collections.abc import Iterator
from functools import cache
from html import escape
from typing import Any

from fastapi import APIRouter, Response

from onrecord.api.openapi import document
from onrecord.wire.errors import DOCUMENTATION, TITLES

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
h2{margin-top:3rem;border-bottom:1px solid #ccc}h3{margin-top:2rem}code,pre{background:#f4f4f4}
pre{padding:.7rem;overflow:auto}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ddd}
.method{color:#06c;font-weight:bold}
"""
_SHOWN_VALUES = 12
_METHODS = ("get", "post", "patch", "put", "delete", "head")


def page_routes() -> APIRouter:
    """/openapi.json, /docs and the page of error codes."""
    router = APIRouter()

    @router.get("/openapi.json", response_model=None)
    async def openapi() -> Response:
        return Response(_document_text(), media_type="application/json")

    @router.get("/docs", response_model=None)
    async def docs() -> Response:
        return Response(reference_page(), media_type="text/html")

    @router.get(DOCUMENTATION, response_model=None)
    async def error_codes() -> Response:
        return Response(errors_page(), media_type="text/html")

    return router


@cache
def _document_text() -> bytes:
    return json.dumps(document(), ensure_ascii=False).encode()


@cache
def errors_page() -> str:
    """Every error code that the server gives, each with an anchor."""
    rows = "".join(
        f'<tr id="{code}"><td><code>{code}</code></td><td>{escape(title)}</td></tr>'
        for code, title in sorted(TITLES.items())
    )
    note = (
        "<p>Every refusal has a body <code>{&quot;errors&quot;: [...]}</code>; <code>detail</code> "
        "says what to change, <code>source</code> where.</p>"
    )
    return _page("Errors", f"{note}<table><tr><th>Code</th><th>Title</th></tr>{rows}</table>")


@cache
def reference_page() -> str:
    """The OpenAPI document as one page."""
    spec = document()
    info = spec["info"]
    parts = [
        f"<p>{escape(info['summary'])}</p><p>{_prose(info['description'])}</p>",
        f'<p><a href="/openapi.json">OpenAPI 3.1</a> · <a href="{DOCUMENTATION}">Errors</a></p>',
    ]
    for tag in spec["tags"]:
        parts.append(f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>")
        parts += [
            _operation(path, method, item, spec)
            for path, item in spec["paths"].items()
            for method in _METHODS
            if method in item and tag["name"] in item[method]["tags"]
        ]
    parts.append("<h2>Webhooks</h2>")
    for name, item in spec["webhooks"].items():
        payload = spec["components"]["schemas"][f"Event.{name}"]
        parts.append(
            f"<h3><code>{escape(name)}</code></h3><p>{escape(item['post']['summary'])}</p>"
        )
        members = payload["properties"]["data"]["properties"]["payload"]
        parts.append(_members(members))
    return _page("onrecord API", "".join(parts))


def _operation(path: str, method: str, item: dict[str, Any], spec: dict[str, Any]) -> str:
    operation = item[method]
    title = f'<span class="method">{method.upper()}</span> <code>{escape(path)}</code>'
    parts = [
        f'<h3 id="{operation["operationId"]}">{title}</h3><p>{escape(operation["summary"])}</p>'
    ]
    if "description" in operation:
        parts.append(f"<p>{_prose(operation['description'])}</p>")
    parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
    if parameters:
        parts.append(_table(_parameter_rows(parameters)))
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        name = content["schema"]["$ref"].rpartition("/")[2]
        example = content["examples"]["usual"]["value"]
        parts.append(f"<pre>{escape(json.dumps(example, indent=2))}</pre>")
        parts.append(_members(spec["components"]["schemas"][name]))
    return "".join(parts)


def _parameter_rows(parameters: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for parameter in parameters:
        shown = parameter["name"] + (" (path)" if parameter["in"] == "path" else "")
        yield shown, _kind(parameter["schema"]), parameter["description"]


def _members(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    return _table(
        (name + (" *" if name in required else ""), _kind(member), member.get("description", ""))
        for name, member in schema["properties"].items()
    )


def _table(rows: Iterator[tuple[str, str, str]]) -> str:
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{_prose(told)}</td></tr>"
        for name, kind, told in rows
    )
    return f"<table>{cells}</table>"


def _kind(schema: dict[str, Any]) -> str:
    kinds = schema.get("type", "string or array")
    kind = " or ".join(kinds) if isinstance(kinds, list) else kinds
    values = schema.get("enum", [])
    if values:
        more = f" … ({len(values)} values)" if len(values) > _SHOWN_VALUES else ""
        kind = " | ".join(values[:_SHOWN_VALUES]) + more
    low = schema.get("minimum", schema.get("minLength"))
    high = schema.get("maximum", schema.get("maxLength"))
    if low is not None or high is not None:
        kind += f", {'' if low is None else low} to {'' if high is None else high}"
    if "default" in schema:
        kind += f", default {json.dumps(schema['default'])}"
    return kind


def _prose(words: str) -> str:
    """Escaped text with back-quoted words as code and blank lines as paragraphs."""
    pieces = escape(words).split("`")
    joined = "".join(
        f"<code>{piece}</code>" if at % 2 else piece for at, piece in enumerate(pieces)
    )
    return joined.replace("\n\n", "</p><p>")


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    )
