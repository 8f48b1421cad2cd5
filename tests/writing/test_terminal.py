"""Tables of every command, with contents as they come, in narrow terminals."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from hiersrec.comparison import render as comparison
from hiersrec.serving.answers import Guess, Item, Pull, Reason, Recommendations, SeenItem
from hiersrec.serving.render import render
from hiersrec.writing import tables
from hiersrec.writing.tables import Table
from hiersrec.writing.terminal import TerminalTable, plain_rows, wrap


def shown(table: TerminalTable, width: int) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, markup=False).print(table, soft_wrap=True)
    return stream.getvalue().splitlines()


def small(title: str, headings: list[str], *rows: list[str], right: set[int] = frozenset()) -> TerminalTable:
    return TerminalTable(title, headings, plain_rows(rows), right)


def test_a_table_that_fits_is_as_wide_as_its_cells() -> None:
    table = small("Title", ["name", "n"], ["a b", "1"], ["c", "22"], right={1})

    assert shown(table, 80) == ["Title", "name   n", "a b    1", "c     22"]


def test_text_and_headings_wrap_at_blanks_before_anything_else_gives_way() -> None:
    table = small("", ["name", "ours better by", "description"], ["a", "+1.00", "words of a long sentence"], right={1})

    assert shown(table, 34) == [
        "",
        "           ours",
        "name  better by  description",
        "a         +1.00  words of a long",
        "                 sentence",
    ]


def test_what_does_not_fit_is_split_with_the_columns_that_tell_rows_apart() -> None:
    table = small(
        "Title",
        ["system", "metric", "mean", "interval"],
        *[
            ["ours", "mrr@20", "19.00", "[18.00, 20.00]"],
            ["ours", "hits@20", "50.00", "[49.00, 51.00]"],
            ["sknn", "mrr@20", "17.00", "[16.00, 18.00]"],
        ],
        right={2, 3},
    )

    assert shown(table, 34) == [
        "Title",
        "system  metric    mean",
        "ours    mrr@20   19.00",
        "ours    hits@20  50.00",
        "sknn    mrr@20   17.00",
        "",
        "system  metric         interval",
        "ours    mrr@20   [18.00, 20.00]",
        "ours    hits@20  [49.00, 51.00]",
        "sknn    mrr@20   [16.00, 18.00]",
    ]


def test_where_no_column_fits_a_row_is_a_list() -> None:
    table = small("Title", ["name", "value"], ["a_very_long_name", "[18.00, 20.00]"], ["b", "two words"], right={1})

    assert shown(table, 18) == [
        "Title",
        "name:",
        "  a_very_long_name",
        "value: [18.00,",
        "  20.00]",
        "",
        "name: b",
        "value: two words",
    ]


def test_a_long_word_overflows_in_one_piece() -> None:
    assert [line.plain for line in wrap(Text("a /path/to/a/long/file b"), 10)] == ["a", "/path/to/a/long/file", "b"]


def test_lines_and_indents_of_a_text_stay() -> None:
    assert [line.plain for line in wrap(Text("  a b\n\nc  "), 10)] == ["  a b", "", "c"]


def test_wrapping_keeps_the_style_of_each_word() -> None:
    first, second = wrap(Text.assemble(("bold", "bold"), " ", ("line", "underline")), 5)

    assert [(span.start, span.end, span.style) for span in (*first.spans, *second.spans)] == [
        (0, 4, "bold"),
        (0, 4, "underline"),
    ]


words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=24)
texts = st.lists(words, max_size=6).map(" ".join)


@given(st.integers(20, 100), st.integers(1, 5), st.data())
def test_any_table_keeps_the_rules(width, columns, data) -> None:
    row = st.lists(texts, min_size=columns, max_size=columns)
    right = data.draw(st.sets(st.integers(0, columns - 1)))
    table = TerminalTable(
        data.draw(texts), data.draw(row), plain_rows(data.draw(st.lists(row, max_size=4))), right, data.draw(row)
    )

    holds(table, width)


def holds(table: TerminalTable, width: int) -> None:
    """No line is wider than the terminal except for one word, none ends in a blank, and every word is whole."""
    lines = shown(table, width)
    assert [line for line in lines if line != line.rstrip()] == []
    assert [line for line in lines if cell_len(line) > width and len(line.split()) > 1] == []
    texts = [table.title, *table.notes, *(cell.plain for row in table.rows for cell in row)]
    texts += table.headings if table.rows else []
    printed = {word for line in lines for word in line.split()}
    printed |= {word.removesuffix(":") for word in printed}
    assert {word for text in texts for word in text.split()} <= printed


METRICS = ("mrr@20", "hits@20", "recall@20", "any_hit@20")


def lead(mean: float) -> dict[str, object]:
    return {"mean": mean, "interval": [0.0101, 0.0202], "p_sessions_holm": 0.00001, "p_seeds_holm": 0.0421}


def system(name: str, mean: float, **more: object) -> dict[str, object]:
    values = {"mean": mean, "interval": [mean - 0.01, mean + 0.01], **more}
    return {"name": name, "runs": ["a", "b"], "metrics": dict.fromkeys(METRICS, values)}


COMPARISON = {
    "ours": "hiersrec",
    "dataset": {"name": "diginetica"},
    "split": "test",
    "settings": {"metrics": list(METRICS), "bootstrap": 10000, "seed": 0},
    "prefixes": 60858,
    "sessions": 15979,
    "origin": {"hiersrec": "0.1.0", "commit": "c360946aa0bd54dd1b9d1f3c2f34a8fd21f7e9a1"},
    "systems": [
        system("hiersrec", 0.1901),
        *(system(name, 0.17, ours_better_by=lead(0.0201)) for name in ("session_popularity", "cooccurrence", "cotrec")),
    ],
}


def recommended() -> Recommendations:
    sources = ["session", "bias", "category_1", "category_2", "category_3", "repeats", "trend"]
    reasons = [
        Reason(source, value, [Pull("Garden Furniture", 0.5, 0.41)] if "category" in source else [], 0.01)
        for source, value in zip(sources, (4.0, 0.1, 0.22, -0.13, 1.4, 0.3, -2.11), strict=True)
    ]
    titles = ["Folding Chair with Armrests, Teak, Set of Two", "Watering Can"]
    path = ["Home and Living", "Garden Furniture", "Chairs and Benches"]
    items = [Item(n, f"sku-{n}", title, 5.678, path, reasons) for n, title in enumerate(titles, start=1)]
    guesses = [[Guess(f"category_{n}", path[n - 1], path[:n], share) for share in (0.4321, 0.1)] for n in (1, 2, 3)]
    return Recommendations([SeenItem("sku-7", title) for title in titles * 3], [], None, guesses, False, 48, items)


def tables_of_commands() -> list[tuple[str, TerminalTable]]:
    """Tables as commands print them, the widest ones."""
    levels = [f"level {n} mrr@20" for n in (1, 2, 3)]
    searched = ["training.\nlearning_rate", "inputs.\nid_dropout", "tasks.item.trend.\nhalf_life"]
    wide = [
        ("demo", ["recipe", *METRICS, *levels], ["last_category", *["70.55%"] * 7]),
        ("evaluate", ["task", "prefixes", *METRICS], ["category_1", "1,234,567", *["70.55%"] * 4]),
        ("slices", ["slice", "prefixes", *METRICS], ["10 to 99 training events", "1,234,567", *["70.55%"] * 4]),
        ("bounds", ["metric", "value"], ["category_1/any_hit@20/pessimistic", "70.55%"]),
        (
            "tune",
            ["trial", *searched, "mrr@20", "hits@20", "epochs", "seconds"],
            ["12", "0.001234", "0.15", "604800.0", "32.23%", "70.55%", "12", "12,345"],
        ),
    ]
    made = [
        (name, tables.rich(Table(f"{name} on wikispeedia", tuple(head), (tuple(row),)))) for name, head, row in wide
    ]
    name = "any/action_and_category"
    about = "Next event type and next category, both read by the next item, in the field's own long words."
    made.append(("list", tables.rich(Table("recipes", ("name", "description"), ((name, about),)))))
    made.append(("compare", tables.rich(comparison.table(COMPARISON))))
    made += [("recommend", part) for part in render(recommended(), 6000) if isinstance(part, TerminalTable)]
    return made


TABLES = tables_of_commands()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("table", [table for _, table in TABLES], ids=[name for name, _ in TABLES])
def test_tables_of_commands_keep_the_rules(table, width) -> None:
    holds(table, width)
