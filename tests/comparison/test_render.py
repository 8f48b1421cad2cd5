import io

from rich.console import Console

from hiersrec.comparison import render
from hiersrec.writing import figures, tables


def system(name: str, mean: float, ahead: dict | None = None, runs: int = 1) -> dict:
    result = {"mean": mean, "interval": [mean - 0.01, mean + 0.01]}
    return {
        "name": name,
        "runs": [{}] * runs,
        "metrics": {"mrr@20": result | ({"ours_better_by": ahead} if ahead else {})},
    }


def ahead(mean: float, p_sessions: float, p_seeds: float | None) -> dict:
    return {"mean": mean, "interval": [mean, mean], "p_sessions_holm": p_sessions, "p_seeds_holm": p_seeds}


DOCUMENT = {
    "origin": {"hiersrec": "1.2", "commit": "0123456789-dirty"},
    "dataset": {"name": "shop"},
    "split": "test",
    "settings": {"metrics": ["mrr@20"], "bootstrap": 10000, "seed": 3},
    "sessions": 1000,
    "prefixes": 2000,
    "ours": "narm",
    "systems": [
        system("narm", 0.2, runs=3),
        system("a_b", 0.25, ahead(-0.05, 1.0, None)),
        system("popularity", 0.02, ahead(0.18, 0.0002, 0.00001), runs=2),
    ],
}


def test_the_table_by_hand() -> None:
    table = render.table(DOCUMENT)

    assert table.rows == (
        ("narm", "mrr@20", "3", "20.00", "[19.00, 21.00]", "", "", "", ""),
        ("a_b", "mrr@20", "1", "25.00", "[24.00, 26.00]", "-5.00", "[-5.00, -5.00]", "1.0000", ""),
        ("popularity", "mrr@20", "2", "2.00", "[1.00, 3.00]", "+18.00", "[18.00, 18.00]", "0.0002", "<0.0001"),
    )
    assert table.best == {(1, 3)}
    assert table.second == {(0, 3)}
    assert table.title == "narm and its baselines on shop, test split"
    assert "10,000 resamples of whole sessions, seed 3" in table.notes[1]
    assert table.notes[2].endswith("over the baselines (2). hiersrec 1.2, commit 012345678-dirty.")


def test_what_is_printed_by_hand() -> None:
    stream = io.StringIO()

    tables.show(Console(file=stream, width=110), [render.table(DOCUMENT)])

    assert stream.getvalue().splitlines()[:6] == [
        "narm and its baselines on shop, test split",
        "system      metric  runs     mean   95 % interval  ours better by   95 % interval  p, sessions  p, seeds",
        "narm        mrr@20     3   *20.00  [19.00, 21.00]",
        "a_b         mrr@20     1  **25.00  [24.00, 26.00]           -5.00  [-5.00, -5.00]       1.0000",
        "popularity  mrr@20     2     2.00    [1.00, 3.00]          +18.00  [18.00, 18.00]       0.0002   <0.0001",
        "The best is marked **, the second best *.",
    ]


def test_equals_share_the_first_place() -> None:
    table = render.table(DOCUMENT | {"systems": [system("a", 0.2), system("b", 0.2), system("c", 0.1)]})

    assert table.best == {(0, 3), (1, 3)}
    assert table.second == {(2, 3)}


def test_the_picture_names_every_system_and_gives_a_far_one_as_a_number(tmp_path) -> None:
    figure = render.picture(DOCUMENT)
    low, high = figure.axes[0].get_xlim()
    first, second = (figures.save(render.picture(DOCUMENT), tmp_path, name) for name in ("a", "b"))
    text = first[1].read_text(encoding="utf-8")

    assert "◀ below half of the best" in figure.get_suptitle()
    assert "◀" not in render.picture(DOCUMENT | {"systems": DOCUMENT["systems"][:2]}).get_suptitle()
    assert 10 < low < 19
    assert 26 < high < 35
    assert all(f">{word}<" in text for word in ("narm", "a_b", "popularity", "2.00", "mrr@20, %"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
