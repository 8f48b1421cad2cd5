"""Who is computed together, who is refused, and that nobody waits for company."""

import asyncio
import threading

import pytest

from hiersrec.http.batching import MOST_WORK, TURN, Batcher
from hiersrec.http.errors import Problem


class Slow:
    """Doubles numbers, but not before the gate opens; remembers what was computed together."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.calls: list[tuple[list[int], str]] = []

    def begin(self, options):
        return lambda sessions: self.compute(sessions, options)

    def compute(self, sessions, options):
        self.calls.append(([session[0] for session in sessions], options))
        self.begun.set()
        assert self.gate.wait(10)
        if options == "bad" and [13] in sessions:
            raise ValueError("13")
        return [2 * session[0] for session in sessions]


def _here() -> bool:
    return False


def _left() -> bool:
    return True


def _drill(
    scenario, queue: int = 100, timeout: float = 60, lengths: list[int] | None = None
) -> tuple[Slow, list[int], list[int]]:
    """Run scenario(batcher, slow, ask); ask(number, options) is a task whose request is in the queue."""
    slow, sizes, lengths = Slow(), [], [] if lengths is None else lengths

    async def run() -> None:
        batcher = Batcher(slow.begin, queue, timeout, sizes.append, lengths.append)

        async def ask(number, options="", gone=_here, work=10):
            numbers = number if isinstance(number, list) else [number]
            sessions = [[number] for number in numbers]
            task = asyncio.create_task(batcher.ask(sessions, options, [work] * len(sessions), gone))
            await asyncio.sleep(0)
            return task

        async with batcher.running():
            await scenario(slow, ask)

    asyncio.run(asyncio.wait_for(run(), 20))
    return slow, sizes, lengths


async def _first(slow, ask, number=1):
    """A request that is being computed, so that what comes next has to wait."""
    task = await ask(number)
    await asyncio.to_thread(slow.begun.wait, 10)
    return task


def test_a_lone_request_is_computed_alone_and_at_once() -> None:
    async def scenario(slow, ask):
        slow.gate.set()
        assert await (await ask(3)) == [6]
        assert await (await ask([4, 5])) == [8, 10]

    slow, sizes, lengths = _drill(scenario)

    assert slow.calls == [([3], ""), ([4, 5], "")]
    assert sizes == [1, 2]
    assert lengths == [1, 0, 1, 0]


def test_what_waits_and_asks_for_the_same_is_computed_together_in_order() -> None:
    async def scenario(slow, ask):
        tasks = [await _first(slow, ask)]
        tasks += [await ask(number, options) for number, options in [(2, "a"), (3, "b"), (4, "a"), (5, "b")]]
        slow.gate.set()
        assert [await task for task in tasks] == [[2], [4], [6], [8], [10]]

    slow, _, lengths = _drill(scenario)

    assert slow.calls == [([1], ""), ([2, 4], "a"), ([3, 5], "b")]
    assert lengths == [1, 0, 1, 2, 3, 4, 2, 0]


def test_no_more_than_32_sessions_are_computed_together_nor_too_much_work() -> None:
    async def scenario(slow, ask):
        tasks = [await _first(slow, ask)]
        tasks += [await ask(number) for number in range(40)]
        tasks += [await ask(number, "much", work=TURN) for number in range(MOST_WORK // TURN + 1)]
        slow.gate.set()
        await asyncio.gather(*tasks)

    _, sizes, _ = _drill(scenario)

    assert sizes == [1, 32, 8, MOST_WORK // TURN, 1]


def test_long_requests_and_short_ones_take_turns_and_long_ones_are_computed_one_after_another() -> None:
    async def scenario(slow, ask):
        tasks = [await _first(slow, ask)]
        tasks += [await ask(list(range(100, 170))), await ask(list(range(200, 203)), work=TURN // 2)]
        tasks += [await ask(2, options="a"), await ask(3, options="b"), await ask(4, options="c")]
        slow.gate.set()
        answers = await asyncio.gather(*tasks)
        assert answers == [[2], list(range(200, 340, 2)), [400, 402, 404], [4], [6], [8]]

    slow, _, _ = _drill(scenario)

    turns = [(numbers[0], len(numbers)) for numbers, _ in slow.calls]
    assert turns == [(1, 1), (100, 32), (2, 1), (132, 32), (3, 1), (164, 6), (4, 1), (200, 2), (202, 1)]


def test_a_long_request_whose_client_leaves_gives_up_its_turns_and_an_error_is_its_own() -> None:
    async def scenario(slow, ask):
        first, left = await _first(slow, ask), await ask([5] * 100, gone=_left)
        bad, good = await ask([12] * 40 + [13], "bad"), await ask([6] * 33)
        slow.gate.set()
        assert [await first, await good] == [[2], [12] * 33]
        with pytest.raises(Problem, match="has left"):
            await left
        with pytest.raises(ValueError, match="13"):
            await bad

    slow, _, _ = _drill(scenario)

    assert [5] not in [numbers[:1] for numbers, _ in slow.calls]


def test_a_full_queue_refuses_with_503_and_when_to_come_again() -> None:
    async def scenario(slow, ask):
        tasks = [await _first(slow, ask), await ask(2), await ask(3)]
        with pytest.raises(Problem, match=r"Too many requests are waiting \(2\)") as refused:
            await (await ask(4))
        slow.gate.set()
        await asyncio.gather(*tasks)
        assert refused.value.status == 503
        assert refused.value.headers == {"Retry-After": "1"}

    _drill(scenario, queue=2)


def test_what_waits_too_long_is_refused_at_its_limit_though_its_turn_has_not_come() -> None:
    async def scenario(slow, ask):
        first, old, cancelled = await _first(slow, ask), await ask(2), await ask(3)
        cancelled.cancel()
        with pytest.raises(Problem, match=r"waited longer than 0.1 seconds, .* Try again in a second") as refused:
            await old
        assert not slow.gate.is_set()
        later = [await ask(4)]
        slow.gate.set()
        assert [await first, await later[0]] == [[2], [8]]  # the first was being computed, and is late
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})

    slow, _, _ = _drill(scenario, queue=2, timeout=0.1)  # a queue in which the old and the cancelled have left room

    assert slow.calls == [([1], ""), ([4], "")]


def test_the_length_of_the_queue_is_told_when_requests_come_and_when_they_are_given_up() -> None:
    async def scenario(slow, ask):
        first, old = await _first(slow, ask), await ask(2)
        with pytest.raises(Problem, match="waited longer"):
            await old
        told = [*lengths]
        slow.gate.set()
        assert await first == [2]
        assert (told[:3], told[-1]) == ([1, 0, 1], 0)

    lengths: list[int] = []
    _drill(scenario, timeout=0.1, lengths=lengths)


def test_what_waited_too_long_or_was_left_is_not_computed() -> None:
    async def scenario(slow, ask):
        first, old = await _first(slow, ask), await ask(2)
        await asyncio.sleep(0.3)
        left, fresh, cancelled = await ask(3, gone=_left), await ask(4), await ask(5)
        cancelled.cancel()
        slow.gate.set()
        assert [await first, await fresh] == [[2], [8]]
        with pytest.raises(Problem, match=r"waited longer than 0.2 seconds"):
            await old
        with pytest.raises(Problem, match="has left"):
            await left

    slow, _, _ = _drill(scenario, timeout=0.2)

    assert slow.calls == [([1], ""), ([4], "")]


def test_an_error_is_its_request_s_own_and_the_next_are_answered() -> None:
    async def scenario(slow, ask):
        first = await _first(slow, ask)
        good, bad = await ask(12, "bad"), await ask(13, "bad")
        slow.gate.set()
        assert [await first, await good] == [[2], [24]]
        with pytest.raises(ValueError, match="13"):
            await bad
        assert await (await ask(14, "bad")) == [28]

    _drill(scenario)
