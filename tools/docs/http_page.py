"""The HTTP API as a page, from the OpenAPI document that the service itself gives out."""

import json
from types import SimpleNamespace
from typing import Any, cast

from hiersrec.http.api_docs import curl, example_answer
from hiersrec.http.app import make_app
from hiersrec.http.holder import Holder
from hiersrec.http.metrics import Metrics
from hiersrec.http.settings import ServiceSettings
from tools.docs.reference import table

METHODS = ("get", "post", "put", "delete")


def document() -> dict[str, Any]:
    """The OpenAPI document; it depends on no model."""
    holder = SimpleNamespace(metrics=Metrics(), keys=None, availability=SimpleNamespace(), model=None)
    return make_app(cast("Holder", holder), ServiceSettings()).openapi()


def http_api() -> str:
    """Endpoints with an example of each first, then the fields of all bodies and answers."""
    described = document()
    parts = ["## Endpoints\n"]
    for path, methods in described["paths"].items():
        for method, endpoint in methods.items():
            if method in METHODS:
                parts += _endpoint(method, path, endpoint)
    parts += ["## Fields\n"]
    for name, schema in sorted(described["components"]["schemas"].items()):
        if "properties" in schema:
            parts += _fields(name, schema)
    return "\n".join(parts)


def _endpoint(method: str, path: str, endpoint: dict[str, Any]) -> list[str]:
    parts = [f"### {method.upper()} {path}\n", endpoint.get("description", "") + "\n"]
    rows = [
        (f"`{one['name']}`", one["in"], _type(one["schema"]), one.get("description", ""))
        for one in endpoint.get("parameters", ())
    ]
    parts += [table(("parameter", "in", "type", "meaning"), rows)] * bool(rows)
    body = endpoint.get("requestBody", {}).get("content", {}).get("application/json", {})
    parts += [f"Body: {_type(body['schema'])}\n"] if body else []
    parts += [f"```bash\n{curl(method, path, endpoint)}\n```\n", f"```json\n{example_answer(endpoint)}\n```\n"]
    answers = []
    for status, answer in endpoint["responses"].items():
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        answers.append((status, answer.get("description", ""), _type(schema) if schema else ""))
    return [*parts, table(("status", "", "body"), answers)]


def _fields(name: str, schema: dict[str, Any]) -> list[str]:
    required = schema.get("required", ())
    rows = []
    for field, about in schema["properties"].items():
        default = "required" if field in required else f"`{json.dumps(about.get('default'))}`"
        rows.append((f"`{field}`", _type(about), default, about.get("description", "")))
    return [f"### {name}\n", schema.get("description", "") + "\n", table(("field", "type", "default", "meaning"), rows)]


def _type(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words, with links to other schemas."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(map(_type, schema[several])))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}" if "items" in schema else "list"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object: name -> {_type(schema['additionalProperties'])}"
    limits = [
        f"{sign} {schema[key]:,}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if key in schema
    ]
    return ", ".join([str(schema.get("type", "anything")), *limits])
