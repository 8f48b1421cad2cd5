"""Recipe + catalogue -> model: wiring by names and patterns, and recipes that make no model."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from hiersrec import registry
from hiersrec.build import build_model, open_run
from hiersrec.config import ModelRecipe, TaskTable
from hiersrec.errors import BadFolder, BadRecipe, UnknownName
from hiersrec.store.folder import open_seal, seal
from tests.model.world import catalog, recipe


def with_reads(*reads: str) -> ModelRecipe:
    base = recipe()
    return dataclasses.replace(base, tasks=(base.tasks[0], dataclasses.replace(base.tasks[1], reads=reads)))


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        (("category_*",), ("category_1", "category_2")),
        (("category_2", "category_1"), ("category_2", "category_1")),
        (("category_2", "category_*"), ("category_2", "category_1")),
        (("category_2",), ("category_2",)),
        (("*",), ("category_1", "category_2")),
        (("none_*",), ()),
        ((), ()),
    ],
)
def test_names_and_patterns_stand_for_earlier_tasks_each_once(reads, expected) -> None:
    assert build_model(with_reads(*reads), catalog()).wiring["item"].reads == expected


def test_the_wiring_is_what_the_tables_say() -> None:
    settings = ["tasks.item.weight=2.0", "tasks.item.injection_weight=0.5", "tasks.item.reads_as=logits"]
    wiring = build_model(recipe("tasks.category.weight=0.25", *settings), catalog()).wiring

    assert [wires.loss_weight for wires in wiring.values()] == [0.25, 0.25, 2.0]
    assert (wiring["item"].injection_weight, wiring["item"].reads_as) == (0.5, "logits")
    assert wiring["category_1"].reads == ()


def test_reading_what_is_no_earlier_task() -> None:
    with pytest.raises(BadRecipe, match=r"item reads 'category_3', which is no earlier task\. Did you mean 'category_"):
        build_model(with_reads("category_3"), catalog())


def test_reading_a_later_task() -> None:
    base = recipe()
    turned = dataclasses.replace(base, tasks=base.tasks[::-1])
    category = dataclasses.replace(base.tasks[0], reads=("item",))
    assert build_model(dataclasses.replace(base, tasks=(base.tasks[1], category)), catalog()).wiring["category_1"].reads

    exact = dataclasses.replace(base.tasks[1], reads=("category_1",))
    with pytest.raises(BadRecipe, match=r"item reads 'category_1', which is no earlier task\. Known: none\."):
        build_model(dataclasses.replace(turned, tasks=(exact, base.tasks[0])), catalog())


def test_reading_itself() -> None:
    with pytest.raises(BadRecipe, match="item reads 'item', which is no earlier task"):
        build_model(with_reads("item"), catalog())


def test_a_task_twice() -> None:
    base = recipe()
    again = dataclasses.replace(base.tasks[0], config=dataclasses.replace(base.tasks[0].config, level=2))
    with pytest.raises(BadRecipe, match=r"category: the task 'category_2' is there twice\. Remove one of them\."):
        build_model(dataclasses.replace(base, tasks=(base.tasks[0], again, base.tasks[1])), catalog())


def test_no_item_task() -> None:
    base = recipe()
    with pytest.raises(BadRecipe, match=r'must predict items: add \[\[tasks\]\] with name = "item"'):
        build_model(dataclasses.replace(base, tasks=base.tasks[:1]), catalog())


def test_all_categories_of_a_catalogue_without_any() -> None:
    assert list(build_model(recipe(), catalog(levels=False)).wiring) == ["item"]


def tables(*rows: tuple[str, tuple[str, ...]]) -> ModelRecipe:
    """A recipe whose tasks are (name, reads), with each task's own settings left as they are."""
    plain = {name: registry.load("model.tasks", name).Config() for name in registry.names("model.tasks")}
    made = tuple(TaskTable(name=name, reads=reads, config=plain[name]) for name, reads in rows)
    return dataclasses.replace(recipe(), tasks=made)


def test_a_tree_of_tasks() -> None:
    """Action -> coarse category -> fine category -> item, and brand beside them: any acyclic graph."""
    made = tables(
        ("event_type", ()),
        ("category", ("event_type", "category_*")),
        ("column", ("category_2",)),
        ("item", ("category_*", "event_type")),
    )

    wiring = build_model(made, catalog()).wiring

    assert {name: wires.reads for name, wires in wiring.items()} == {
        "event_type": (),
        "category_1": ("event_type",),
        "category_2": ("event_type", "category_1"),
        "column_brand": ("category_2",),
        "item": ("category_1", "category_2", "event_type"),
    }


def test_tasks_that_a_dataset_lacks_take_no_part_and_can_be_read() -> None:
    bare = dataclasses.replace(catalog(levels=False, features=False), event_types={})
    made = tables(("event_type", ()), ("category", ("event_type",)), ("item", ("event_type", "category_*")))

    wiring = build_model(made, bare).wiring

    assert {name: wires.reads for name, wires in wiring.items()} == {"item": ()}


SAMPLED = "tasks.item.softmax=sampled"


@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_tables_have_sparse_gradients_only_where_the_softmax_reads_some_items_alone(head) -> None:
    expected = ["inputs.item_table.weight", *(["tasks.item.fc.weight"] if head == "linear" else [])]

    for softmax in ["tasks.item.softmax=full", SAMPLED]:
        model = build_model(recipe(softmax, f"tasks.item.head={head}"), catalog())
        sparse = {id(one) for one in model.sparse_parameters()}
        assert [name for name, one in model.named_parameters() if id(one) in sparse] == (
            expected if softmax == SAMPLED else []
        )


def test_a_misspelt_softmax_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'sampled'"):
        build_model(recipe("tasks.item.softmax=sample"), catalog())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.safetensors", r"model\.safetensors does not fit its recipe: .* Train again\."),
        (
            "catalog/items.parquet",
            r"can't be read: .* Its seal is whole, so the files were written so: make the run folder",
        ),
        (
            "catalog/features.json",
            r"features\.json is damaged \(.*\)\. Prepare the dataset again; if it is of a run, train",
        ),
    ],
)
def test_files_that_no_code_of_ours_writes_under_right_checksums(toy_run, tmp_path, name, message) -> None:
    run = Path(shutil.copytree(toy_run, tmp_path / "run"))
    (run / name).write_bytes(b"garbage")
    document = open_seal(toy_run, "run")
    seal(run, "run", document, [run / name for name in document["files"]])

    with pytest.raises(BadFolder, match=message):
        open_run(run)
