"""The least that FastAPI can do for a request of ours: check the body, and answer with bytes that are ready.

http_overhead.py serves it: `uvicorn bare_app:app`. ANSWER names the file of the bytes.
"""

import os
from pathlib import Path

from fastapi import FastAPI, Response
from pydantic import BaseModel

ANSWER = Path(os.environ["ANSWER"]).read_bytes()
app = FastAPI(openapi_url=None)


class Body(BaseModel):
    """What http_client.py sends."""

    session: list[str | int]
    k: int = 20


@app.post("/v1/recommend")
async def recommend(body: Body) -> Response:
    """The same bytes to everybody."""
    del body
    return Response(ANSWER, media_type="application/json")
