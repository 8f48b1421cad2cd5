"""A block of JSON lines is read as Python's decoder reads it, or left to it."""

import json

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from hiersrec.errors import BadInput
from hiersrec.preparation import json_blocks, json_lines

COLUMNS = ("a", "b")
KINDS = some.sampled_from([pa.int64(), pa.float64(), pa.string()])
VALUES = some.one_of(
    some.integers(),
    some.floats(),
    some.text(max_size=3),
    some.sampled_from([None, True, [1], {"a": 1}, 2**63, -(2**63), 1.0, "\ud800", "Inf", "NaN"]),
)
ROWS = some.dictionaries(some.sampled_from(["a", "b", "c"]), VALUES)


@given(some.lists(ROWS, min_size=1, max_size=4), some.tuples(KINDS, KINDS), some.data())
@settings(max_examples=200, deadline=None)
def test_equal_to_the_decoder_or_left_to_it(rows, kinds, data):
    text = "".join(json.dumps(row, ensure_ascii=data.draw(some.booleans())) + "\n" for row in rows)
    if data.draw(some.booleans()):
        place = data.draw(some.integers(0, len(text) - 1))
        text = text[:place] + data.draw(some.sampled_from('"{}[],:.eN0 \n\r\t\x00\\')) + text[place + 1 :]
    lines = text.encode(errors="surrogatepass").splitlines(keepends=True)

    batch = json_blocks.parse(lines, pa.schema(list(zip(COLUMNS, kinds, strict=True))))

    if batch is not None:
        assert batch.equals(json_lines._decoded(lines, "file", COLUMNS, 0, 0))


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"a": 5, "b": {"c": [1, {}]}}', pa.int64()),
        (b'{"a": 9223372036854775807}\r', pa.int64()),
        (b'{"b": 1}', pa.int64()),
        (b'{"a": 0.1, "b": Infinity}', pa.float64()),
        (b'{"a": "2016-05-09 Info"}', pa.string()),
        ('{"a": "Stühle \\u00fc"}'.encode(), pa.string()),
    ],
)
def test_plain_lines_are_not_left_to_the_decoder(line, kind):
    lines = [line + b"\n", line]

    batch = json_blocks.parse(lines, pa.schema([("a", kind)]))

    assert batch is not None
    assert batch.equals(json_lines._decoded(lines, "file", ["a"], 0, 0))


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"a": -9223372036854775808}\n'],
        [b'{"a": 1}{"a": 2}\n'],
        [b'{"a": 1}{"a": 2}\n', b"\n"],
        [b'{"a": 1} {"a": 2}\n', b'{"a":\n', b"3}\n"],
        [b'{"a": {}\n', b'{"a": 1}\n'],
        [b'{"a": 1}\r{"a": 2}\n'],
        [b'{"a": 1, "b": Inf}\n'],
        [b'{"a": 1, "b": -Inf}\n'],
        [b'{"a": 1, "b": "\xff"}\n'],
        [b'{"a": 1, "a": 2}\n'],
        [b'{"a": 1.0}\n'],
        [b'{"a": 9223372036854775808}\n'],
        [b'{"a": 1, "b": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"],
    ],
)
def test_what_the_parser_reads_otherwise_is_left_to_the_decoder(lines):
    assert json_blocks.parse(lines, pa.schema([("a", pa.int64())])) is None


@pytest.mark.parametrize("texts", [["1", "2"], ["1.0", "1"], ["NaN", "0.5"], ["1e400", "0.5"], ["-0", "0"]])
def test_a_column_of_floats_whose_type_could_be_another_is_left_to_the_decoder(texts):
    lines = [f'{{"a": {text}}}\n'.encode() for text in texts]

    assert json_blocks.parse(lines, pa.schema([("a", pa.float64())])) is None


ODD = [b"\n", b'{"a": "text"}\n', b'{"a": 1.5}\n', b'{"a": 36893488147419103232}\n', b'{"b": 5}\n', b' {"a": 7} \n']


@given(some.lists(some.integers(-1, len(ODD) - 1), min_size=1, max_size=60))
@example([-1] * 30 + [0] * 20 + [1] * 20 + [2] * 20)
@settings(max_examples=30, deadline=None)
def test_a_file_in_small_blocks_has_all_its_rows(tmp_path_factory, numbers):
    lines = [b'{"a": %d}\n' % row if number < 0 else ODD[number] for row, number in enumerate(numbers)]
    path = tmp_path_factory.getbasetemp() / "rows.jsonl"
    path.write_bytes(b"".join(lines))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "BATCH_BYTES", 40)
        patch.setattr(json_lines, "TYPED_LINES", 2)
        read = [value for batch in json_lines.batches(path, ["a"]) for value in batch.column(0).to_pylist()]

    expected = [json.loads(line).get("a") for line in lines if line.strip()]
    assert list(map(plain, read)) == list(map(plain, expected))


def plain(value):
    """A value without the type of its batch: numbers among texts are text."""
    try:
        return value if value is None else float(value)
    except ValueError:
        return value


def test_a_line_that_is_no_json_is_named_wherever_it_stands(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "BATCH_BYTES", 100)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' * 50 + b'{"a": 1\n' + b'{"a": 1}\n' * 50)

    with pytest.raises(BadInput, match=r"rows\.jsonl, line 51 is not JSON"):
        list(json_lines.batches(path, ["a"]))
