"""The OpenAPI document: complete, with examples, and every error a problem."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.services.auditing import LONGEST_NOTE

METHODS = {"get", "put", "post", "delete", "patch"}


@pytest.fixture(scope="module")
def document(site: Any) -> dict[str, Any]:
    found: dict[str, Any] = site.client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                assert node["$ref"].rsplit("/", 1)[-1] in document["components"]["schemas"], node
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)


def test_every_error_of_every_route_is_described_as_a_problem(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        if path.startswith("/v1/"):
            assert operation["responses"].keys() >= {"400", "401", "403", "404", "413", "422", "429", "503"}, (
                path,
                method,
            )
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")):
                assert list(response["content"]) == ["application/problem+json"], (path, method, status)
                schema = resolved(document, response["content"]["application/problem+json"]["schema"])
                assert schema["properties"].keys() >= {"type", "title", "status", "detail", "errors"}
                assert response["description"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_route_says_what_it_does_and_what_it_answers(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        assert operation.get("description"), (path, method)
        if path == "/metrics":
            assert list(operation["responses"]["200"]["content"]) == ["text/plain"]
            continue
        if path.startswith("/v1/export/"):
            formats = {"application/x-ndjson", "application/vnd.apache.parquet"}
            assert set(operation["responses"]["200"]["content"]) == formats
            continue
        schema = resolved(document, operation["responses"]["200"]["content"]["application/json"]["schema"])
        assert schema.get("properties"), (path, method)


def test_every_route_of_the_api_needs_a_key_and_says_so(document: dict[str, Any]) -> None:
    for path, _method, operation in operations(document):
        needed = path.startswith(("/v1/", "/ofrep/")) and not path.startswith("/v1/webhooks/")  # those are signed
        assert bool(operation.get("security")) == (needed or path == "/metrics"), path


def test_requests_decisions_outcomes_and_problems_have_examples(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in ("DecisionOut", "OutcomesOut", "Problem"):
        assert schemas[name].get("example") or schemas[name].get("examples"), name
    for name in ("DecisionIn", "DecisionItem", "OutcomeIn"):
        schema = schemas[name]
        assert (
            schema.get("examples")
            or schema.get("example")
            or any(
                "examples" in field or any("examples" in one for one in field.get("anyOf", []))
                for field in schema["properties"].values()
            )
        ), name


def test_the_document_and_its_page_are_served(site: Any) -> None:
    with site.calling() as anyone:
        assert anyone.get("/openapi.json").headers["content-type"] == "application/json"
        assert anyone.get("/docs").status_code in {200, 404}


def test_every_field_has_a_description(document: dict[str, Any]) -> None:
    bare = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, of in schema.get("properties", {}).items()
        if not of.get("description")
    ]
    assert not bare


def test_requests_say_what_their_notes_may_be(document: dict[str, Any]) -> None:
    assert document["components"]["schemas"]["SteeringIn"]["properties"]["note"]["maxLength"] == LONGEST_NOTE
