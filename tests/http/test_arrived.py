"""Asking a server what has arrived costs no message, and leaves nothing behind."""

import asyncio

from starlette.requests import Request

from hiersrec.http.arrived import arrived, has_left


def test_it_is_what_starlette_finds_out() -> None:
    async def run() -> None:
        event, left = asyncio.Event(), False

        async def receive():
            await event.wait()
            return {"type": "http.disconnect" if left else "http.request"}

        async def both() -> tuple[bool, bool]:
            return has_left(receive), await Request({"type": "http"}, receive).is_disconnected()

        assert await both() == (False, False)
        waiting = asyncio.create_task(receive())
        await asyncio.sleep(0)
        assert has_left(receive) is False
        assert arrived(receive) is None
        event.set()
        assert (await waiting)["type"] == "http.request"  # woken, though somebody asked meanwhile
        assert await both() == (False, False)
        assert arrived(receive) == {"type": "http.request"}
        left = True
        assert await both() == (True, True)

    asyncio.run(asyncio.wait_for(run(), 10))
