"""The item table split over processes: what each has is its share of the whole, from the same draws."""

import pytest
import torch
from torch import Tensor, nn

from hiersrec.build import build_model
from hiersrec.errors import BadRecipe
from hiersrec.model import split as splitting
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.split import Split, draw_rows, numbers, parts
from tests.model.world import N, catalog, recipe, single_task, with_tasks

HEADS = {
    "linear": ["tasks.item.head=linear"],
    "cosine": ["tasks.item.head=cosine"],
    "dot": ["tasks.item.head=dot", "inputs.category_width=0", "inputs.metadata_width=0"],
    "no ids": ["tasks.item.head=linear", "inputs.item_width=0"],
}


def made(head: str, split: Split | None) -> HierarchicalModel:
    torch.manual_seed(4)
    return build_model(recipe(*HEADS[head]), catalog(), split)


@pytest.mark.parametrize(("items", "count"), [(12, 1), (12, 2), (13, 2), (13, 5), (5, 5)])
def test_each_item_lies_in_one_part(items, count) -> None:
    splits = [Split(rank, count, items) for rank in range(count)]

    assert [place for split in splits for place in split.places] == list(range(items))
    assert {split.most for split in splits} == {max(len(split.places) for split in splits)}
    assert min(len(split.places) for split in splits) >= splits[0].most - 1


def test_where_classes_lie() -> None:
    rows, mine = Split(1, 3, 7).own(torch.tensor([[-1, 0, 1], [2, 3, 4], [5, 6, 2]]))

    assert Split(1, 3, 7).places == range(2, 4)
    assert mine.tolist() == [[False] * 3, [True, True, False], [False, False, True]]
    assert rows[mine].tolist() == [0, 1, 0]
    assert rows.min() >= 0
    assert rows.max() < 2


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("count", [2, 5])
def test_the_parts_are_those_of_the_whole_model(head, count) -> None:
    whole = made(head, None)
    after = torch.rand(1)
    names = {"inputs.item_table.weight"} | (
        {"tasks.item.fc.weight", "tasks.item.fc.bias"} if head in ("linear", "no ids") else set()
    )

    for rank in range(count):
        split = Split(rank, count, N)
        part = made(head, split)
        assert torch.equal(torch.rand(1), after), "what is drawn next is the same"
        assert set(parts(part)) == names
        assert numbers(part) == numbers(whole) == sum(one.numel() for one in whole.parameters())
        for name, value in whole.state_dict().items():
            found = part.state_dict()[name]
            rows = slice(split.places.start, split.places.stop)
            if name == "inputs.item_table.weight":
                assert torch.equal(found, torch.cat([value[:1], value[1:][rows]]))
            else:
                assert torch.equal(found, value[rows] if name in names else value), name


def test_a_process_holds_its_share_alone() -> None:
    model = made("linear", Split(0, 4, N))
    of = {name: model.get_parameter(name).shape[0] for name in parts(model)}

    assert of == {"inputs.item_table.weight": N // 4 + 1, "tasks.item.fc.weight": N // 4, "tasks.item.fc.bias": N // 4}


@pytest.mark.parametrize("rows", [1, 5, 31, 32, 33, 63, 64, 100])
@pytest.mark.parametrize("width", [1, 3, 8])
@pytest.mark.parametrize("draw", [nn.init.normal_, lambda one: nn.init.kaiming_uniform_(one, a=5**0.5)])
def test_rows_drawn_in_blocks_are_those_of_the_whole(rows, width, draw, monkeypatch) -> None:
    monkeypatch.setattr(splitting, "ROWS", 32)
    torch.manual_seed(1)
    whole = torch.empty(rows, width)
    draw(whole)
    after = torch.rand(1)

    for wanted in (range(rows), range(rows // 3, 2 * rows // 3), range(0)):
        torch.manual_seed(1)
        own = torch.empty(len(wanted), width)
        draw_rows(own, rows, wanted.start, draw)
        assert torch.equal(own, whole[wanted.start : wanted.stop])
        assert torch.equal(torch.rand(1), after)


def test_blocks_are_small(monkeypatch) -> None:
    monkeypatch.setattr(splitting, "ROWS", 32)
    seen: list[int] = []

    def draw(values: Tensor) -> Tensor:
        seen.append(len(values))
        return values.zero_()

    draw_rows(torch.empty(1, 2), 1000, 500, draw)

    assert sum(seen) == 1000
    assert max(seen) < 64


def test_a_model_that_one_process_holds_has_no_parts() -> None:
    assert parts(made("linear", None)) == {}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (["tasks.item.softmax=sampled"], r'softmax = "sampled"'),
        (["tasks.item.softmax=coarse_to_fine"], r'softmax = "coarse_to_fine"'),
        (["tasks.item.vectors=id+metadata"], r'vectors = "id\+metadata"'),
        (["inputs.id_dropout=0.5"], r"\[inputs\] id_dropout = 0.5"),
        (["inputs.neighbours=4"], r"\[inputs\] neighbours = 4"),
        (["tasks.item.smoothing=0.1"], r"\[\[tasks\]\] item smoothing = 0.1"),
        (["tasks.item.repeats=true"], r"\[\[tasks\]\] item repeats = true"),
    ],
)
def test_what_needs_rows_of_others_is_refused(settings, named) -> None:
    with pytest.raises(BadRecipe, match=r"split_items needs .*, got .*" + named + r"\. Change that, or leave"):
        build_model(recipe(*settings), catalog(), Split(0, 2, N))


def test_a_task_that_reads_all_scores_is_refused() -> None:
    base = single_task()
    first = with_tasks(recipe("tasks.category.reads=['item']"), lambda one: one if one.name == "category" else None)
    both = type(base)(**{**vars(base), "tasks": (*base.tasks, *first.tasks)})

    with pytest.raises(BadRecipe, match=r"split_items needs .*, got .*category_1 reads 'item'"):
        build_model(both, catalog(), Split(0, 2, N))
