import sys

import pytest

from hiersrec.errors import MissingExtra
from hiersrec.writing import figures

pytestmark = pytest.mark.slow


def draw(out, title="a", name="x") -> list[bytes]:
    figure = figures.figure(3, 2)
    axes = figure.subplots()
    axes.plot([1, 2], [3, 4], marker="o")
    axes.set_title(title)
    return [path.read_bytes() for path in figures.save(figure, out, name)]


def test_equal_figures_give_equal_bytes_of_png_and_svg(tmp_path) -> None:
    first, second, other = draw(tmp_path / "a"), draw(tmp_path / "b", name="y"), draw(tmp_path / "c", title="b")

    assert first == second
    assert first[0] != other[0]
    assert first[1] != other[1]
    assert first[0].startswith(b"\x89PNG")
    assert first[1].startswith(b"<?xml")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["x.png", "x.svg"]


def test_letters_of_an_svg_are_text_and_dollars_no_formula(tmp_path) -> None:
    assert "Für $5, not $6_1".encode() in draw(tmp_path, "Für $5, not $6_1")[1]


def test_nothing_global_is_touched(tmp_path, monkeypatch) -> None:
    import matplotlib

    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # to import it would be an error
    before = matplotlib.rcParams.copy()
    draw(tmp_path)

    assert matplotlib.rcParams.copy() == before


def test_without_matplotlib_the_error_names_the_way_out(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    with pytest.raises(MissingExtra, match=r"'matplotlib', which .*pip install '\.\[figures\]'"):
        figures.figure(3, 2)
