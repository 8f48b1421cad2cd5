"""/docs: the OpenAPI document as one plain page, without scripts and without requests to other servers."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any


def manual(document: Mapping[str, Any]) -> str:
    """HTML of every endpoint: its parameters or body, and its response."""
    info = document["info"]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width"><title>hiersrec: HTTP interface</title>',
        '<link rel="icon" href="page/icon.svg" type="image/svg+xml">',
        "</head><body><main><h1>HTTP interface</h1>",
        f"<p>{escape(info['summary'])} Version {escape(info['version'])}.",
        ' For programs: <a href="openapi.json">openapi.json</a>. For people: <a href="./">the page</a>.</p>',
        '<p>Every error response is {"error": "one message"}. If the server requires a key, send it in the header',
        " X-API-Key.</p>",
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts += [f"<h2><code>{method.upper()} {escape(path)}</code></h2>"]
            parts += [f"<p>{escape(operation.get('description', ''))}</p>"]
            parts += _table(
                "parameter", [(field["name"], field["schema"], field) for field in operation.get("parameters", [])]
            )
            parts += _schema("send", document, operation.get("requestBody"))
            parts += _schema("answer", document, operation["responses"].get("200"))
    return "\n".join([*parts, "</main></body></html>"])


def _schema(heading: str, document: Mapping[str, Any], about: Mapping[str, Any] | None) -> Iterator[str]:
    """The fields of a JSON body."""
    schema = (about or {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        yield from _table(heading, [(name, field, field) for name, field in schema["properties"].items()])


def _table(heading: str, rows: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]) -> Iterator[str]:
    if not rows:
        return
    yield f"<table><tr><th>{heading}</th><th>type</th><th>default</th><th></th></tr>"
    for name, schema, about in rows:
        default = str(schema["default"]) if "default" in schema else ""
        cells = (name, _kind(schema), default, str(about.get("description", "")))
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
    yield "</table>"


def _kind(schema: Mapping[str, Any]) -> str:
    """A JSON schema type as text, such as "list of (string or integer)"."""
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1])
    if schema.get("type") == "array":
        return f"list of ({_kind(schema['items'])})"
    return str(schema.get("type", "any"))
