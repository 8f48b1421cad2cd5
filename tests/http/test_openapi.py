"""The OpenAPI document: complete, with an example for each request that has the form of what the service does."""

import json
import re
import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from hiersrec.http import records, schemas, setting_availability
from hiersrec.http.api_docs import curl, example_answer
from hiersrec.http.app import make_app
from hiersrec.http.availability import Availability
from hiersrec.http.examples import EXAMPLES
from hiersrec.http.holder import Holder
from hiersrec.http.keys import Keys
from hiersrec.http.openapi import meanings
from hiersrec.http.settings import ServiceSettings
from hiersrec.serving.answers import Recommendations
from tests.http import world
from tests.serving import world as articles

HERE = {"item_id": "a", "query": "nile", "path": "Nature"}
"""Values of parameters for the articles of the test, in place of those for the embedded dataset."""
KEY = {"X-API-Key": "secret"}


class Compared(articles.Explained):
    """Has vectors of its items."""

    def item_vectors(self) -> np.ndarray:
        return np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


@pytest.fixture
def holder(tmp_path) -> Holder:
    model = world.model(tmp_path / "catalog", Compared())
    return Holder(model, Keys([("shop", b"secret")]), Availability(tmp_path / "list.json"))


@pytest.fixture
def document(holder) -> dict[str, Any]:
    return make_app(holder, ServiceSettings()).openapi()


def operations(document) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): one for path, methods in document["paths"].items() for method, one in methods.items()}


def kind_of(content: dict[str, Any]) -> type:
    """The class that a JSON schema was made of."""
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return next(vars(one)[name] for one in (records, schemas, setting_availability) if name in vars(one))


def test_every_request_has_an_example_of_its_schema(document) -> None:
    assert operations(document).keys() == EXAMPLES.keys()
    for endpoint, operation in operations(document).items():
        example = EXAMPLES[endpoint]
        assert {one["name"]: one["example"] for one in operation.get("parameters", ())} == example.parameters
        body = operation.get("requestBody", {}).get("content")
        assert (body is None) == (example.body is None), endpoint
        if body is not None:
            assert body["application/json"]["example"] == example.body
            kind_of(body).model_validate(example.body)
        content = operation["responses"]["200"]["content"]
        assert [one["example"] for one in content.values()] == [example.answer]
        if endpoint != ("get", "/metrics"):
            TypeAdapter(kind_of(content)).validate_python(example.answer)


def test_an_example_reads_as_its_answer_and_its_request_as_a_command(document) -> None:
    for endpoint, operation in operations(document).items():
        text, answer = example_answer(operation), EXAMPLES[endpoint].answer
        assert (text if isinstance(answer, str) else json.loads(text)) == answer
        assert max(map(len, text.splitlines())) < 120
    assert '"session": [\n    {"item_id": 4040, "title": "The Beatles"},' in example_answer(
        operations(document)["post", "/v1/recommend"]
    )
    command = curl("get", "/v1/categories/{path}", operations(document)["get", "/v1/categories/{path}"])
    assert command == "curl -s 'localhost:8000/v1/categories/History/British%20History?limit=1'"
    command = curl("put", "/v1/availability", operations(document)["put", "/v1/availability"])
    assert shlex.split(command)[-1] == '{"unavailable": [4040, "sku-3"]}'


def test_the_reasons_of_the_example_sum_to_its_score() -> None:
    [item] = EXAMPLES["post", "/v1/recommend"].answer["items"]

    assert sum(reason["value"] for reason in item["reasons"]) == pytest.approx(item["score"], abs=0.002)
    for reason in item["reasons"]:
        parts = [pull["value"] for pull in reason["strongest"]]
        assert sum(parts) + reason["rest"] == pytest.approx(reason["value"], abs=0.002)


def form(document: Any) -> Any:
    """Names of fields without their values; of a list only its first element, of null or an empty list nothing."""
    if isinstance(document, dict):
        return {key: form(value) for key, value in document.items()}
    if isinstance(document, list) and document and isinstance(document[0], dict | list):
        return form(document[0])
    return None


def agree(example: Any, answer: Any) -> bool:
    """Whether two forms are equal where both have something."""
    if isinstance(example, dict) and isinstance(answer, dict):
        return example.keys() == answer.keys() and all(agree(example[key], answer[key]) for key in example)
    return example is None or answer is None


@pytest.mark.parametrize("endpoint", EXAMPLES, ids=" ".join)
def test_the_service_answers_an_example_in_the_form_of_its_answer(holder, endpoint) -> None:
    method, path = endpoint
    example = EXAMPLES[endpoint]
    values = {name: HERE.get(name, value) for name, value in example.parameters.items()}
    with world.client(holder) as client:
        address = re.sub(r"\{(\w+)\}", lambda name: values.pop(name[1]), path)
        answer = client.request(method, address, params=values, json=example.body, headers=KEY)

    assert answer.status_code == 200
    if isinstance(example.answer, str):
        assert example.answer.split("{")[0] in answer.text or answer.text.startswith("# HELP")
    else:
        assert agree(form(example.answer), form(answer.json())), answer.json()
        assert form(answer.json()), "something to compare with"


def test_forms_that_differ_do_not_agree() -> None:
    answer = {"a": [{"b": 1}], "c": None}

    assert agree(form({"a": [{"b": 2}], "c": {"d": 1}}), form(answer))
    assert not agree(form({"a": [{"x": 2}], "c": None}), form(answer))
    assert not agree(form({"a": []}), form(answer))


def test_the_document_has_no_schema_that_is_never_used_and_none_is_missing(document) -> None:
    names = set(document["components"]["schemas"])

    assert set(re.findall(r"#/components/schemas/(\w+)", str(document))) == names
    assert not {"HTTPValidationError", "ValidationError"} & names
    assert "422" not in document["paths"]["/v1/items/{item_id}"]["get"]["responses"]


def test_fields_have_their_meanings(document) -> None:
    described = document["components"]["schemas"]

    answer = described["Answer"]["properties"]
    assert answer["unknown_ids"]["description"].startswith("Ids that the catalogue doesn't have")
    assert answer["milliseconds"]["description"].startswith("Time inside the server")
    assert "null unless requested" in described["Item"]["properties"]["reasons"]["description"]
    assert described["One"]["properties"]["session"]["description"] == "Item ids, oldest first."


@dataclass(frozen=True)
class Longer(Recommendations):
    """As answers are."""

    first: int
    """On two
    lines."""
    second: int
    items: list[Any]
    """Of its own."""


def test_meanings_are_those_of_all_classes_and_the_last_counts() -> None:
    found = meanings(Longer)

    assert found["first"] == "On two lines."
    assert "second" not in found
    assert found["items"] == "Of its own."
    assert found["coherent"].startswith("Whether the levels")
