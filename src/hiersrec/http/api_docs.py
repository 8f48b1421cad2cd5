"""/docs: the OpenAPI document as one plain page, without scripts and without requests to other servers."""

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import quote, urlencode

FLAT = re.compile(r"([\[{])([^\[\]{}]+)([\]}])")
"""A list or object in JSON without others inside, where no text has a bracket."""
WIDTH = 90
"""Most characters of such a one in a line."""
HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>hiersrec: HTTP interface</title>
<link rel="icon" href="page/icon.svg" type="image/svg+xml"><link rel="stylesheet" href="page/docs.css">
</head><body><main><h1>HTTP interface</h1>"""
ERRORS = """<p>Every error response is <code>{"error": "one message"}</code>. If the server requires a key, send it in
the header <code>X-API-Key</code>.</p>"""


def manual(document: Mapping[str, Any]) -> str:
    """HTML of every endpoint with an example, and of the fields of all bodies and answers."""
    info = document["info"]
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = [
        HEAD,
        f"<p>{escape(info['summary'])} Version {escape(info['version'])}.",
        ' For programs: <a href="openapi.json">openapi.json</a>. For people: <a href="./">the page</a>.</p>',
        ERRORS,
        '<nav aria-label="Endpoints"><ul>',
        *(f'<li><a href="#{name(*one[:2])}"><code>{title(*one[:2])}</code></a></li>' for one in operations),
        "</ul></nav>",
    ]
    for method, path, operation in operations:
        parts += _endpoint(method, path, operation)
    parts += ['<h2 id="fields">Fields</h2>']
    for kind, schema in sorted(document["components"]["schemas"].items()):
        parts += [f'<h3 id="{kind}">{kind}</h3><p>{escape(schema.get("description", ""))}</p>']
        parts += _table("field", [(field, about, about) for field, about in schema["properties"].items()])
    return "\n".join([*parts, "</main></body></html>"])


def title(method: str, path: str) -> str:
    """The heading of an endpoint, as HTML."""
    return f"{method.upper()} {escape(path)}"


def name(method: str, path: str) -> str:
    """The anchor of an endpoint."""
    return method + "".join(letter if letter.isalnum() else "-" for letter in path)


def curl(method: str, path: str, operation: Mapping[str, Any]) -> str:
    """The example of an endpoint as a command."""
    query = {}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(parameter["example"]))
        else:
            query[parameter["name"]] = parameter["example"]
    address = f"localhost:8000{path}" + (f"?{urlencode(query)}" if query else "")
    command = "curl -s" + (f" -X {method.upper()}" if method not in ("get", "post") else "")
    if "requestBody" not in operation:
        return f"{command} '{address}'"
    body = json.dumps(operation["requestBody"]["content"]["application/json"]["example"])
    return f"{command} {address} -H 'content-type: application/json' \\\n  -d '{body}'"


def example_answer(operation: Mapping[str, Any]) -> str:
    """The example of an answer, as text."""
    [content] = operation["responses"]["200"]["content"].values()
    answer = content["example"]
    return answer if isinstance(answer, str) else FLAT.sub(_in_one_line, json.dumps(answer, indent=2))


def _in_one_line(flat: re.Match[str]) -> str:
    line = flat[1] + " ".join(flat[2].split()) + flat[3]
    return line if len(line) <= WIDTH else flat[0]


def _endpoint(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h2 id="{name(method, path)}"><code>{title(method, path)}</code></h2>'
    yield f"<p>{escape(operation.get('description', ''))}</p>"
    yield from _table(
        "parameter", [(field["name"], field["schema"], field) for field in operation.get("parameters", [])]
    )
    yield from (f"<p>Body: {kind}</p>" for kind in _kinds(operation.get("requestBody")))
    yield f"<pre><code>{escape(curl(method, path, operation))}</code></pre>"
    yield from (f"<p>Answer: {kind}</p>" for kind in _kinds(operation["responses"]["200"]))
    yield f"<pre><code>{escape(example_answer(operation))}</code></pre>"
    errors = [
        f"{status} {escape(about['description'])}"
        for status, about in operation["responses"].items()
        if status != "200"
    ]
    yield from [f"<p>Errors: {', '.join(errors)}.</p>"] * bool(errors)


def _kinds(about: Mapping[str, Any] | None) -> Iterator[str]:
    """The schema of a JSON body, if it has one."""
    schema = (about or {}).get("content", {}).get("application/json", {}).get("schema")
    if schema:
        yield _kind(schema)


def _table(heading: str, rows: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]) -> Iterator[str]:
    if not rows:
        return
    yield f"<table><thead><tr><th>{heading}</th><th>type</th><th>default</th><th>meaning</th></tr></thead><tbody>"
    for field, schema, about in rows:
        default = json.dumps(schema["default"]) if "default" in schema else ""
        cells = (f"<code>{escape(field)}</code>", _kind(schema), default, escape(str(about.get("description", ""))))
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table>"


def _kind(schema: Mapping[str, Any]) -> str:
    """A JSON schema type as HTML, such as "list of (string or integer)", with links to other schemas."""
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if "$ref" in schema:
        other = str(schema["$ref"].rsplit("/", 1)[1])
        return f'<a href="#{other}">{other}</a>'
    if schema.get("type") == "array":
        return (
            f"list of ({_kind(schema['items'])})" if "anyOf" in schema["items"] else f"list of {_kind(schema['items'])}"
        )
    if "enum" in schema:
        return " or ".join(escape(json.dumps(value)) for value in schema["enum"])
    return escape(str(schema.get("type", "any")))
