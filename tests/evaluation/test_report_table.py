from hiersrec.evaluation import report_table
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from tests.evaluation.test_evaluate import CATALOG, Rounded, split


def document(options: EvaluationOptions) -> dict:
    evaluation = evaluate(Rounded(), CATALOG, split(), options)
    return {"options": options.document(), "metrics": evaluation.metrics, "slices": evaluation.slices}


def test_a_row_for_each_target_and_a_column_for_each_metric_and_k() -> None:
    made = document(EvaluationOptions(k=(3, 5), metrics=("hits", "recall")))

    headings, rows = report_table.rows(made)

    assert headings == ["task", "prefixes", "hits@3", "hits@5", "recall@3", "recall@5"]
    assert [row[0] for row in rows] == ["item", "category_1", "category_2", "event_type"]
    numbers = made["metrics"]
    assert rows[0] == ["item", numbers["prefixes"], *(numbers[name] for name in headings[2:])]
    assert rows[2][1:] == [
        numbers["category_2/labelled"],
        *(numbers[f"category_2/{name}"] for name in headings[2:]),
    ]


def test_a_task_without_labels_has_no_numbers() -> None:
    made = document(EvaluationOptions(k=3))
    made["metrics"]["brand/labelled"] = 0

    assert report_table.rows(made).rows[-1] == ["brand", 0, None, None, None, None]


def test_a_row_for_each_slice_and_each_bound() -> None:
    made = document(EvaluationOptions(k=3))

    groups = report_table.slice_rows(made)

    assert list(groups) == list(made["slices"])
    headings, rows = groups["target_in_prefix"]
    assert headings == ["slice", "prefixes", "mrr@3", "hits@3", "recall@3", "any_hit@3"]
    assert [row[0] for row in rows] == ["yes", "no"]
    assert rows[0][2:] == [made["slices"]["target_in_prefix"][0]["metrics"][name] for name in headings[2:]]
    bounds = {name: value for name, value in made["metrics"].items() if "istic" in name}
    assert bounds
    assert dict(report_table.bound_rows(made).rows) == bounds


def test_documents_made_before_metrics_could_be_named() -> None:
    old = {"options": {"k": 7}, "metrics": {"prefixes": 2, "mrr@7": 0.5}, "slices": {}}

    assert report_table.rows(old) == (
        ["task", "prefixes", "mrr@7", "hits@7", "recall@7", "any_hit@7"],
        [["item", 2, 0.5, None, None, None]],
    )
