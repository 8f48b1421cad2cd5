"""Equation 1, the part before the encoder: concat(E^I, sum of E^C over the levels, E^M)."""

import numpy as np
import pytest
import torch

from hiersrec.errors import BadRecipe
from hiersrec.model.inputs import Config, Inputs
from tests.model.world import N, catalog


def slow(inputs: Inputs, item: int) -> list[float]:
    """One item's vector, number by number."""
    known = catalog()
    vector = inputs.item_table.weight[item].tolist()
    levels = [table.weight.tolist() for table in inputs.level_tables]
    for at in range(len(levels[0][0])):
        vector.append(sum(table[known.item_nodes[item, level]][at] for level, table in enumerate(levels)))
    for feature, table in zip(known.features, inputs.feature_tables, strict=True):
        rows = [table.weight[token].tolist() for token in feature.tokens[item] if token > 0]
        width = table.weight.shape[1]
        vector += [sum(row[at] for row in rows) / len(rows) if rows else 0.0 for at in range(width)]
    return vector


def test_each_item_is_its_id_the_sum_of_its_levels_and_the_mean_of_its_words() -> None:
    torch.manual_seed(0)
    inputs = Inputs(Config(item_width=5, category_width=3, metadata_width=5), catalog())
    items = torch.tensor([[1, 4, 12], [7, 5, 1]])

    found = inputs(items)

    assert found.shape == (2, 3, 13)
    assert inputs.width == 13
    expected = [[slow(inputs, item) for item in row] for row in items.tolist()]
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-6, atol=1e-7)


def test_padding_gives_zeros_and_learns_nothing() -> None:
    inputs = Inputs(Config(item_width=5, category_width=3, metadata_width=5), catalog())

    found = inputs(torch.tensor([[2, 0, 0]]))
    (found * torch.randn_like(found)).sum().backward()

    assert found[0, 0].abs().min() > 0
    assert found[0, 1:].abs().max() == 0
    for table in (inputs.item_table, *inputs.level_tables, *inputs.feature_tables):
        assert table.weight[0].abs().max() == 0
        assert table.weight.grad[0].abs().max() == 0


@pytest.mark.parametrize(
    ("levels", "features", "category_width", "metadata_width", "width"),
    [
        (True, True, 3, 4, 12),
        (False, True, 3, 4, 9),
        (True, False, 3, 4, 8),
        (False, False, 3, 4, 5),
        (True, True, 0, 0, 5),
    ],
)
def test_a_part_that_is_lacking_or_unwanted_takes_no_width(
    levels, features, category_width, metadata_width, width
) -> None:
    settings = Config(item_width=5, category_width=category_width, metadata_width=metadata_width)
    inputs = Inputs(settings, catalog(levels, features))

    assert inputs.width == width
    assert inputs(torch.tensor([[1]])).shape == (1, 1, width)


def test_the_metadata_columns_share_their_width() -> None:
    inputs = Inputs(Config(metadata_width=7), catalog())

    assert [table.weight.shape for table in inputs.feature_tables] == [(4, 4), (7, 3)]


def test_too_little_width_for_the_metadata_columns() -> None:
    with pytest.raises(BadRecipe, match=r"metadata_width must be at least 1 for each of the 2 .* got 1\. .* or 0 to"):
        Inputs(Config(metadata_width=1), catalog())


def test_unknown_nodes_have_vectors_of_their_own() -> None:
    inputs = Inputs(Config(), catalog())

    assert [table.num_embeddings for table in inputs.level_tables] == [4, 7]
    assert inputs.item_table.num_embeddings == N + 1


def test_dropout_is_there_in_training_and_gone_in_inference() -> None:
    inputs = Inputs(Config(dropout=0.5), catalog())
    items = torch.tensor([[1, 2, 6]])

    zeros = (inputs(items) == 0).float().mean().item()
    inputs.eval()

    assert 0.35 < zeros < 0.65
    assert torch.equal(inputs(items), inputs(items))
    assert (inputs(items) != 0).float().mean() > 0.9
