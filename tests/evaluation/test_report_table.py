from hiersrec.evaluation import report_table
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from tests.evaluation.test_evaluate import CATALOG, Rounded, split


def document(options: EvaluationOptions) -> dict:
    evaluation = evaluate(Rounded(), CATALOG, split(), options)
    return {
        "options": options.document(),
        "metrics": evaluation.metrics,
        "slices": evaluation.slices,
        "tasks": evaluation.tasks,
    }


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


def test_a_row_for_each_slice() -> None:
    made = document(EvaluationOptions(k=3))

    groups = report_table.slice_rows(made)

    assert list(groups) == list(made["slices"])
    headings, rows = groups["target_in_prefix"]
    assert headings == ["slice", "prefixes", "mrr@3", "hits@3", "recall@3", "any_hit@3"]
    assert [row[0] for row in rows] == ["yes", "no"]
    assert rows[0][2:] == [made["slices"]["target_in_prefix"][0]["metrics"][name] for name in headings[2:]]


def test_a_row_for_each_metric_and_each_task() -> None:
    made = document(EvaluationOptions(k=(3, 5), metrics=("hits", "gini")))

    numbers = made["metrics"]
    assert report_table.metric_rows(made) == (
        ["metric", "@3", "@5"],
        [[name, numbers[f"{name}@3"], numbers[f"{name}@5"]] for name in ("hits", "gini")],
    )
    rows = report_table.task_rows(made).rows
    assert [row[0] for row in rows] == ["category_1", "category_2", "event_type"]
    assert report_table.task_rows({"options": {"k": 3}, "metrics": {}}).rows == []
    assert report_table.slice_rows(made)["cold_start"].headings == ["slice", "prefixes", "hits@3", "hits@5"]


def test_documents_made_before_metrics_could_be_named() -> None:
    old = {"options": {"k": 7}, "metrics": {"prefixes": 2, "mrr@7": 0.5}, "slices": {}}

    assert report_table.rows(old) == (
        ["task", "prefixes", "mrr@7", "hits@7", "recall@7", "any_hit@7"],
        [["item", 2, 0.5, None, None, None]],
    )
