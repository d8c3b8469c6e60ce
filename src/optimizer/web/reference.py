"""``/openapi.json``, and ``/docs``: the same as one page that people can read. No script, nothing from anywhere else.

Each is made once and in a thread, for decisions wait for nobody who reads: anyone may ask, and it takes a second.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

STYLE = """
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 }
main { max-width: 62rem; margin: 0 auto; padding: 1rem }
code, pre { font-family: ui-monospace, monospace }
pre { overflow-x: auto; border: 1px solid; padding: .5rem }
section { border-top: 1px solid; margin-top: 2rem }
table { border-collapse: collapse; margin: 1rem 0; width: 100% }
caption, th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0 }
th, td { border-bottom: 1px solid }
""".strip()

PAGE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""What a browser may load for the page: its own style sheet, named by its hash."""

METHODS = ("get", "put", "post", "patch", "delete")
router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
def openapi(request: Request) -> Response:
    """The document."""
    state = request.app.state
    if not hasattr(state, "openapi_json"):
        state.openapi_json = orjson.dumps(request.app.openapi())
    return Response(state.openapi_json, media_type="application/json")


@router.get("/docs", response_class=HTMLResponse)
def reference(request: Request) -> HTMLResponse:
    """The page."""
    state = request.app.state
    if not hasattr(state, "reference"):
        state.reference = page(request.app.openapi())
    return HTMLResponse(state.reference, headers={"Content-Security-Policy": PAGE_POLICY})


def page(document: Mapping[str, Any]) -> str:
    """The HTML of an OpenAPI document."""
    schemas = document["components"]["schemas"]
    return _template().render(
        title=document["info"]["title"],
        version=document["info"]["version"],
        description=_paragraphs(document["info"].get("description", "")),
        style=Markup(STYLE),  # noqa: S704 - ours, and its hash is in the policy
        routes=list(_routes(document["paths"])),
        schemas=[_schema(name, schemas[name]) for name in sorted(schemas)],
    )


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("optimizer.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("reference.html")


def _routes(paths: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, operations in paths.items():
        for method in METHODS:
            if method in operations:
                one = operations[method]
                yield {
                    "method": method.upper(),
                    "path": path,
                    "anchor": one["operationId"],
                    "description": _paragraphs(one.get("description", "")),
                    "parameters": [
                        {
                            "name": parameter["name"],
                            "place": parameter["in"],
                            "required": parameter.get("required", False),
                            "kind": _kind(parameter["schema"]),
                            "description": _line(parameter.get("description", "")),
                        }
                        for parameter in one.get("parameters", ())
                    ],
                    "body": _content(one.get("requestBody", {})),
                    "answers": [
                        {
                            "status": status,
                            "kind": _content(answer),
                            "description": _line(answer.get("description", "")),
                        }
                        for status, answer in sorted(one["responses"].items())
                    ],
                }


def _schema(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    required = schema.get("required", ())
    examples = schema.get("examples") or ([schema["example"]] if "example" in schema else [])
    return {
        "name": name,
        "description": _paragraphs(schema.get("description", "")),
        "kind": _kind(schema),
        "example": json.dumps(examples[0], indent=2, ensure_ascii=False) if examples else "",
        "fields": [
            {
                "name": field,
                "required": field in required,
                "kind": _kind(of),
                "description": _line(of.get("description", "")),
            }
            for field, of in schema.get("properties", {}).items()
        ],
    }


def _content(of: Mapping[str, Any]) -> Markup:
    """The kinds of a body, one for each media type."""
    kinds = [_kind(media.get("schema", {})) for media in of.get("content", {}).values()]
    return Markup(" or ").join(dict.fromkeys(kinds))


def _kind(schema: Mapping[str, Any]) -> Markup:
    """What a value may be, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return Markup(" or ").join(dict.fromkeys(map(_kind, schema[union])))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return Markup(", ").join(Markup("<code>{}</code>").format(json.dumps(value)) for value in values)
    kind = schema.get("type", "anything")
    if kind == "array":
        return Markup("list of ") + _kind(schema.get("items", {})) + _bounds(schema)
    return escape(kind) + _bounds(schema)


_BOUNDS = {
    "format": "{}",
    "pattern": "like {}",
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "at least {} long",
    "maxLength": "at most {} long",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
}


def _bounds(schema: Mapping[str, Any]) -> Markup:
    said = [text.format(schema[name]) for name, text in _BOUNDS.items() if name in schema]
    return escape(f" ({', '.join(said)})") if said else Markup()


def _paragraphs(text: str) -> Markup:
    return Markup("\n").join(Markup("<p>{}</p>").format(_line(one)) for one in text.strip().split("\n\n") if one)


def _line(text: str) -> Markup:
    """Text in which back quotes set code apart."""
    parts = text.replace("\n", " ").split("`")
    return Markup().join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)
    )
