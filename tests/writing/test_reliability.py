import pytest

from hiersrec.writing import reliability


def test_a_panel_for_each_task_with_a_mark_for_each_bin_of_its_size() -> None:
    bins = [
        {"low": 0.2, "high": 0.27, "prefixes": 25, "confidence": 0.25, "accuracy": 0.2},
        {"low": 0.4, "high": 0.47, "prefixes": 75, "confidence": 0.45, "accuracy": 0.6},
    ]
    result = {"prefixes": 100, "confidence": 0.4, "accuracy": 0.5, "ece": 0.125, "bins": bins}
    document = {"run": "r", "split": "test", "dataset": {"name": "shop"}}

    figure = reliability.picture(document | {"calibration": {"item": result, "category_1": result}})

    assert [panel.get_title() for panel in figure.axes] == ["item: ECE 0.125", "level 1: ECE 0.125"]
    diagonal, line, *marks = figure.axes[0].lines
    assert line.get_xydata().tolist() == [[25, 20], [45, 60]]
    assert diagonal.get_xydata().tolist() == [[0, 0], [100, 100]]
    small, large = (mark.get_markersize() for mark in marks)
    assert (large / small) ** 2 == pytest.approx(3)
