import io
import json
import re

import pytest
from rich.console import Console

from hiersrec.errors import BadFolder
from hiersrec.writing import tables
from hiersrec.writing.tables import Table

TABLE = Table(
    "Baselines & co_1",
    ("system", "mrr@20", "p"),
    (("ours", "19.0 [18, 20]", ""), ("a|b_c", "18.5", "<0.01")),
    best=frozenset({(0, 1)}),
    second=frozenset({(1, 1)}),
    notes=("Values in %.",),
)


def test_markdown_by_hand() -> None:
    expected = (
        "**Baselines & co\\_1**\n\n"
        "| system | mrr@20 | p |\n"
        "| :-- | --: | --: |\n"
        "| ours | **19.0 \\[18, 20\\]** |  |\n"
        "| a\\|b\\_c | <ins>18.5</ins> | \\<0.01 |\n"
        "\n- The best is bold, the second best underlined.\n- Values in %.\n"
    )

    assert tables.markdown(TABLE) == expected


def test_latex_by_hand() -> None:
    expected = (
        "% needs \\usepackage{booktabs}\n"
        "\\begin{table}\n\\centering\n"
        "\\caption{Baselines \\& co\\_1}\n"
        "\\begin{tabular}{lrr}\n\\toprule\n"
        "system & mrr@20 & p \\\\\n\\midrule\n"
        "ours & \\textbf{19.0 {[}18, 20{]}} &  \\\\\n"
        "a$|$b\\_c & \\underline{18.5} & $<$0.01 \\\\\n"
        "\\bottomrule\n\\end{tabular}\n"
        "\\par {\\footnotesize The best is bold, the second best underlined.}\n"
        "\\par {\\footnotesize Values in \\%.}\n"
        "\\end{table}\n"
    )

    assert tables.latex(TABLE) == expected


@pytest.mark.parametrize("sign", list("&%$#_{}"))
def test_no_sign_of_latex_gets_through(sign) -> None:
    text = tables.latex(Table(sign, (sign,), ((sign,),), notes=(sign,)))

    assert text.count(f"\\{sign}") >= 4


def test_a_backslash_is_escaped_once() -> None:
    table = Table("", ("a",), (("x\\y",),))

    assert "x\\textbackslash{}y \\\\" in tables.latex(table)
    assert "| x\\\\y |" in tables.markdown(table)


def test_a_line_feed_does_not_break_a_row() -> None:
    assert "| x y |" in tables.markdown(Table("", ("a",), (("x\ny",),)))


@pytest.mark.parametrize("options", [{}, {"force_terminal": True, "color_system": "standard"}])
def test_a_terminal_marks_cells_with_signs_that_plain_text_keeps(options) -> None:
    stream = io.StringIO()

    Console(file=stream, width=60, markup=False, **options).print(tables.rich(TABLE))

    lines = [line.rstrip() for line in re.sub("\x1b\\[[0-9;]*m", "", stream.getvalue()).splitlines()]
    assert lines == [
        "Baselines & co_1",
        "system           mrr@20      p",
        "ours    **19.0 [18, 20]",
        "a|b_c             *18.5  <0.01",
        "The best is marked **, the second best *.",
        "Values in %.",
    ]


def test_html_marks_cells_with_tags() -> None:
    text = tables.html(TABLE)

    assert ">ours</td>" in text
    assert "><b>19.0 [18, 20]</b></td>" in text
    assert "><u>18.5</u></td>" in text
    assert text.endswith("<p>The best is bold, the second best underlined.</p><p>Values in %.</p>")


def test_only_marks_that_a_table_has_are_explained() -> None:
    plain, lone = Table("", ("a",), (("1",),)), Table("", ("a",), (("1",),), best=frozenset({(0, 0)}))

    assert tables.rich(plain).notes == ()
    assert tables.rich(lone).notes == ("The best is marked **.",)
    assert "best" not in tables.markdown(plain)
    assert "- The best is bold.\n" in tables.markdown(lone)


def test_a_column_with_a_sentence_is_text_and_wraps() -> None:
    table = Table("", ("name", "about", "mrr@20"), (("a", "one two three", "19.0 [18, 20]"), ("b", "12", "1")))
    stream = io.StringIO()

    tables.show(Console(file=stream, width=60), [table, "a sentence of some words", "Next: a command"])

    assert stream.getvalue().splitlines() == [
        "",
        "name  about                 mrr@20",
        "a     one two three  19.0 [18, 20]",
        "b     12                         1",
        "a sentence of some words",
        "Next: a command",
    ]


def test_a_command_to_copy_stays_on_one_line_and_a_text_wraps() -> None:
    stream = io.StringIO()

    tables.show(Console(file=stream, width=12), ["a sentence of words", "Next: hiersrec evaluate runs/a"])

    assert stream.getvalue().splitlines() == ["a sentence", "of words", "Next: hiersrec evaluate runs/a"]


def test_write_makes_three_whole_files(tmp_path) -> None:
    out = tmp_path / "a" / "b"

    written = tables.write(TABLE, {"süd": [1, None]}, out, "name")

    assert written == [out / "name.md", out / "name.tex", out / "name.json"]
    assert sorted(out.iterdir()) == sorted(written)
    assert json.loads((out / "name.json").read_text(encoding="utf-8")) == {"süd": [1, None]}
    assert (out / "name.md").read_text(encoding="utf-8") == tables.markdown(TABLE)
    assert (out / "name.tex").read_text(encoding="utf-8") == tables.latex(TABLE)


def test_write_refuses_a_file_as_folder(tmp_path) -> None:
    (tmp_path / "out").write_text("")

    for out in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(BadFolder, match=r"written into a folder, but .* is not one. Choose another --out"):
            tables.write(TABLE, {}, out, "name")


def test_a_row_too_short_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="more or fewer cells"):
        Table("", ("a", "b"), (("x",),))
