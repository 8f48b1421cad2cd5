"""Which requests go past FastAPI, and that nobody can tell."""

import pytest
from fastapi import FastAPI

from hiersrec.http import direct
from tests.http import world

PATHS = ("/v1/recommend", "/v1/recommend/batch")
BODIES = {PATHS[0]: {"session": ["a"]}, PATHS[1]: {"sessions": [["a"], []]}}


@pytest.fixture
def slow_client(holder, monkeypatch):
    """A client of the service all of whose requests go through FastAPI."""

    async def through(self, scope, receive, send):
        await self.app(scope, receive, send)

    monkeypatch.setattr(direct.Direct, "__call__", through)
    with world.client(holder) as client:
        yield client


def _told(answer) -> tuple[int, dict[str, str], object]:
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "content-length")}
    content = answer.json()
    content.pop("milliseconds", None)
    return answer.status_code, headers, content


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "content", ["right", b"", b"{", b'{"k": 3}', b'{"session": ["a"], "sessions": [["a"]], "k": 0}', b"[1]"]
)
def test_answers_and_refusals_are_those_of_fastapi(client, slow_client, path, content) -> None:
    request = {"json": BODIES[path]} if content == "right" else {"content": content}

    assert _told(client.post(path, **request)) == _told(slow_client.post(path, **request))


@pytest.mark.parametrize("path", [*PATHS, "/v1/recommend/", "/v1/recommended"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
def test_other_methods_and_paths_are_fastapi_s(client, slow_client, path, method) -> None:
    answer, other = client.request(method, path), slow_client.request(method, path)

    assert (answer.status_code, answer.content) == (other.status_code, other.content)
    assert answer.status_code in (404, 405)


@pytest.mark.parametrize("path", PATHS)
def test_the_endpoints_do_not_reach_fastapi_and_are_counted_by_their_path(holder, client, path, monkeypatch) -> None:
    async def unexpected(*_):
        raise AssertionError("FastAPI was asked")

    assert client.post(path, json=BODIES[path]).status_code == 200
    app = client.app
    assert isinstance(app, FastAPI)
    monkeypatch.setattr(type(app.router), "__call__", unexpected)

    assert client.post(path, json=BODIES[path]).status_code == 200
    assert f'hiersrec_requests_total{{endpoint="{path}",status="200"}} 2.0' in holder.metrics.text().decode()
