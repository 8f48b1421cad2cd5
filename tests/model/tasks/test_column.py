"""The value of an item column as a task: which columns, and what trains."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from hiersrec.errors import BadRecipe
from hiersrec.model.targets import Targets
from hiersrec.model.tasks.column import Config, build, members
from tests.model.world import N, catalog

WIDTH = 5


def test_all_categorical_columns_or_one() -> None:
    assert members(Config(), catalog()) == {"column_brand": Config(column="brand")}
    assert members(Config(column="brand"), catalog()) == {"column_brand": Config(column="brand")}
    assert members(Config(), catalog(features=False)) == {}


@pytest.mark.parametrize("column", ["title", "brnad"])
def test_a_column_that_is_not_there_or_not_categorical(column) -> None:
    with pytest.raises(BadRecipe, match=rf"no categorical column '{column}'\. .*Known: brand.*--categorical"):
        members(Config(column=column), catalog())


def test_the_loss_is_the_cross_entropy_of_the_next_items_value() -> None:
    torch.manual_seed(0)
    known = catalog()
    task = build(Config(column="brand"), known, WIDTH, None)
    state, items = torch.randn(N, WIDTH), torch.arange(1, N + 1)

    found = task.loss(state, Targets(items))

    values = known.items["brand"].to_pylist()
    kept = torch.tensor([value is not None for value in values])
    assert 0 < kept.sum() < N
    classes = torch.tensor([["Acme", "Best", "Cord"].index(value) for value in values if value])
    assert found.item() == pytest.approx(functional.cross_entropy(task(state)[kept], classes).item(), rel=1e-6)


def test_a_name_with_a_dot_is_refused_in_one_line() -> None:
    known = catalog()
    brand = dataclasses.replace(known.features[0], name="brand.name")
    items = known.items.rename_columns(["brand.name" if one == "brand" else one for one in known.items.column_names])
    dotted = dataclasses.replace(known, items=items, features=[brand])

    for column in ("all", "brand.name"):
        with pytest.raises(BadRecipe, match=r"'brand\.name' has a dot.*Rename the column"):
            members(Config(column=column), dotted)


def test_an_empty_column_takes_no_part() -> None:
    known = catalog()
    empty = dataclasses.replace(known.features[0], vocabulary=1, values=known.features[0].values * 0)

    assert members(Config(), dataclasses.replace(known, features=[empty])) == {}
