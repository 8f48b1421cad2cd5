import io

import pytest
from rich.console import Console

from hiersrec.training import progress as module
from hiersrec.training.progress import ProgressBar, progress_stage, rates


def test_losses_are_means_over_the_examples() -> None:
    assert rates({"category_1": 20.0, "item": 71.5}, 10, 2.0) == "category_1 2.0000, item 7.1500, 5 examples/s"
    assert rates({"item": 3040.0}, 3040, 2.0) == "item 1.0000, 1,520 examples/s"


def test_before_the_first_step_there_is_nothing_to_divide_by() -> None:
    assert rates({}, 0, 0.0) == "0 examples/s"


def drive(bar: ProgressBar) -> None:
    bar.start("epoch 1/2", 10)
    bar.step(5, "item 7.1")
    bar.say("news")
    bar.step(10, "item 6.9")
    bar.end()
    bar.end()
    bar.start("validation", 3)
    bar.start("epoch 2/2", 3)
    bar.end()


def test_where_there_is_no_terminal_only_news_appear() -> None:
    out = io.StringIO()

    drive(ProgressBar(Console(file=out, force_terminal=False)))

    assert out.getvalue() == "news\n"


def test_and_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_EVERY", -1.0)
    out = io.StringIO()

    drive(ProgressBar(Console(file=out, force_terminal=False)))

    assert out.getvalue().splitlines() == [
        "epoch 1/2: 5 of 10 item 7.1",
        "news",
        "epoch 1/2: 10 of 10 item 6.9",
    ]


def test_a_terminal_gets_a_bar() -> None:
    out = io.StringIO()

    drive(ProgressBar(Console(file=out, force_terminal=True, width=120)))

    assert "epoch 1/2" in out.getvalue()
    assert "5/10" in out.getvalue() or "10/10" in out.getvalue()


def test_a_stage_begins_with_the_first_report_and_ends_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[object] = []
    bar = ProgressBar(Console(file=io.StringIO()))
    monkeypatch.setattr(bar, "start", lambda *arguments: heard.append(("start", *arguments)))
    monkeypatch.setattr(bar, "step", lambda *arguments: heard.append(("step", *arguments)))
    monkeypatch.setattr(bar, "end", lambda: heard.append("end"))

    with progress_stage(bar, "evaluate") as progress:
        progress(2, 5)
        progress(5, 5)
    with pytest.raises(ZeroDivisionError), progress_stage(bar, "evaluate") as progress:
        progress(1 // 0, 5)

    assert heard == [("start", "evaluate", 5), ("step", 2, ""), ("step", 5, ""), "end", "end"]
