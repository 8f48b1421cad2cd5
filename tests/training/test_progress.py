import io
import re

import pytest
from rich.console import Console

from hiersrec.training import progress as module
from hiersrec.training.progress import ProgressBar, fit, progress_stage, rates


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


LOSSES = dict.fromkeys(("event_type", "brand", "category_1", "category_2", "item"), 1234.5)


def frame(width: int, title: str, total: int, note: str) -> str:
    """The last line that a bar drew on a terminal of `width` columns."""
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=width)
    bar = ProgressBar(console)
    bar.start(title, total)
    for done in (0, 1, total // 2):
        bar.step(done, note)
    assert bar.bar is not None
    bar.bar.refresh()
    drawn = re.sub(r"\x1b\[[\d;]*m", "", console.file.getvalue())  # colours
    drawn = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "\r", drawn)  # movements
    bar.end()
    return [line for line in re.split(r"[\r\n]+", drawn) if line.strip()][-1].rstrip()


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("note", [rates(LOSSES, 617283, 400.0), rates({"item": 7.1}, 1, 0.001), ""])
@pytest.mark.parametrize("title", ["train: epoch 12/100", "evaluate", "trial 12/20: train: epoch 12/100"])
@pytest.mark.parametrize("total", [9, 1234567])
def test_bar_count_speed_and_time_left_stay_whatever_the_width(width, title, note, total) -> None:
    line = frame(width, title, total, note)

    assert len(line) <= width
    assert re.search(r"[━╸╺]{10}", line)
    assert f"{total // 2}/{total}" in line
    assert re.search(r" (-:--:--|\d+:\d\d:\d\d)( |$)", line)
    assert re.search(r" [\d,]+( examples)?/s$", line)


def test_a_terminal_of_80_columns_shows_the_loss_of_the_items_too() -> None:
    assert "item 0.0020, 1,543/s" in frame(80, "train: epoch 1/10", 123456, rates(LOSSES, 617283, 400.0))


def test_the_unit_goes_first_then_losses_then_the_title() -> None:
    note = "category_1 2.0312, item 7.1210, 1,520 examples/s"

    assert fit("epoch 1/10", note, 58) == ("epoch 1/10", note)
    assert fit("epoch 1/10", note, 57) == ("epoch 1/10", "category_1 2.0312, item 7.1210, 1,520/s")
    assert fit("epoch 1/10", note, 48) == ("epoch 1/10", "item 7.1210, 1,520/s")
    assert fit("epoch 1/10", note, 29) == ("epoch 1/10", "1,520/s")
    assert fit("epoch 1/10", note, 12) == ("epoc…", "1,520/s")
    assert fit("epoch 1/10", note, 5) == ("", "1,520/s")


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
