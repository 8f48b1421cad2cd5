"""Equation 1, the part before the encoder: concat(E^I, sum of E^C over the levels, E^M)."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch

from hiersrec.errors import BadRecipe
from hiersrec.model.inputs import Config, Inputs
from hiersrec.model.item_graph import ItemGraph
from hiersrec.model.neighbours import nearest
from hiersrec.store.catalog import Catalog, Feature
from hiersrec.store.sessions import Sessions
from tests.model.world import N, catalog


def slow(inputs: Inputs, known: Catalog, item: int) -> list[float]:
    """One item's vector, number by number."""
    vector = inputs.item_table.weight[item].tolist()
    levels = [table.weight.tolist() for table in inputs.level_tables]
    for at in range(len(levels[0][0])):
        vector.append(sum(table[known.item_nodes[item, level]][at] for level, table in enumerate(levels)))
    for feature, table in zip(known.features, inputs.feature_tables, strict=True):
        if feature.is_vector:
            pairs = [zip(row, feature.values[item].tolist(), strict=True) for row in table.weight.tolist()]
            vector += [sum(a * b for a, b in row) for row in pairs]
            continue
        rows = [table.weight[token].tolist() for token in feature.values[item] if token > 0]
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
    expected = [[slow(inputs, catalog(), item) for item in row] for row in items.tolist()]
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


def with_vectors() -> Catalog:
    """The catalogue with a column of vectors between its others; item 3 has none."""
    vectors = np.random.default_rng(0).normal(size=(N + 1, 9)).astype(np.float32) / 3
    vectors[[0, 3]] = 0
    brand, title = catalog().features
    return dataclasses.replace(catalog(), features=[brand, Feature("image", "vector", 0, 0.9, vectors), title])


def test_vectors_are_projected_to_their_share_of_the_width() -> None:
    torch.manual_seed(0)
    inputs = Inputs(Config(item_width=5, category_width=3, metadata_width=8), with_vectors())

    found = inputs(torch.tensor([[1, 4, 3]]))

    assert [tuple(one.weight.shape) for one in inputs.feature_tables] == [(4, 3), (3, 9), (7, 2)]
    expected = [[slow(inputs, with_vectors(), item) for item in (1, 4, 3)]]
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    assert found[0, 2, 11:14].abs().max() == 0, "a missing vector is zeros"
    found.sum().backward()
    assert inputs.feature_tables[1].weight.grad.abs().min() > 0


def test_all_items_at_once_are_the_items_one_by_one() -> None:
    inputs = Inputs(Config(item_width=5, category_width=3, metadata_width=8), with_vectors())
    every = torch.arange(1, N + 1)

    torch.testing.assert_close(inputs.content(), inputs.content(every[None])[0])
    torch.testing.assert_close(inputs.id_vectors(), inputs.id_vectors(every[None])[0])
    torch.testing.assert_close(inputs(every[None])[0], torch.cat([inputs.id_vectors(), inputs.content()], -1))


def test_the_catalogue_is_not_among_the_weights_and_older_files_that_hold_it_are_read() -> None:
    inputs = Inputs(Config(), catalog())
    older = {**inputs.state_dict(), "item_nodes": torch.zeros(1), "tokens_0": torch.zeros(1)}

    assert set(inputs.state_dict()) == {name for name, _ in inputs.named_parameters()}
    assert inputs.load_state_dict(older) == ([], [])
    with pytest.raises(RuntimeError, match="Unexpected key"):
        inputs.load_state_dict({**older, "tokens_2": torch.zeros(1)})


def test_id_dropout_drops_the_share_of_the_catalogue_and_the_id_alone() -> None:
    torch.manual_seed(0)
    inputs = Inputs(Config(item_width=5, category_width=3, metadata_width=4, id_dropout=0.3), catalog())
    items = torch.arange(1, N + 1)[None]

    dropped = []
    for _ in range(300):
        found = inputs(items)[0]
        zero = found[:, :5].abs().sum(1) == 0
        assert torch.equal(found[:, 5:], inputs.content())
        assert torch.equal(found[~zero, :5], inputs.item_table.weight[1:][~zero]), "what is left is not rescaled"
        assert torch.equal(inputs.id_vectors().abs().sum(1) == 0, zero), "one draw for sessions and candidates"
        dropped.append(zero)

    share = torch.stack(dropped).float()
    assert share.mean() == pytest.approx(0.3, abs=0.03)
    assert (share.mean(0) - 0.3).abs().max() < 0.12, "every item takes its turn"


def test_an_item_is_dropped_wherever_it_occurs() -> None:
    inputs = Inputs(Config(id_dropout=0.5), catalog())

    for _ in range(10):
        found = inputs(torch.tensor([[1, 2, 1], [2, 1, 1]])).detach()
        assert torch.equal(found[0, 0], found[0, 2])
        assert torch.equal(found[0, 0], found[1, 1])
        assert torch.equal(found[0, 1], found[1, 0])


def test_id_dropout_is_gone_in_inference_and_without_it_nothing_is_drawn() -> None:
    torch.manual_seed(0)
    with_it, without = Inputs(Config(id_dropout=0.9), catalog()), Inputs(Config(), catalog())
    items = torch.arange(1, N + 1)[None]
    with_it(items)
    without.load_state_dict(with_it.state_dict())
    state = torch.get_rng_state()

    assert torch.equal(with_it.eval()(items), without(items))
    assert torch.equal(torch.get_rng_state(), state)
    assert with_it.id_vectors().abs().sum(1).min() > 0


def test_gradients_are_the_same_on_two_threads_however_often() -> None:
    """Same seed, same numbers: no sum of a gradient may depend on which thread comes first."""
    inputs = Inputs(Config(), with_vectors())
    items = torch.randint(0, N + 1, (1024, 8))  # large enough that torch shares the work out
    weights = torch.linspace(-1, 1, inputs.width)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = [
            torch.autograd.grad((inputs(items) * weights).sin().sum(), list(inputs.parameters())) for _ in range(4)
        ]
    finally:
        torch.set_num_threads(threads)

    assert all(torch.equal(one, other) for again in found[1:] for one, other in zip(found[0], again, strict=True))


def test_items_that_training_never_saw_have_no_id_vector_where_new_items_are_prepared_for() -> None:
    seen = Sessions.from_lists([[1, 2, 3, 5], [6, 7, 8], [9, 10, 11, 12]])
    prepared, plain = (Inputs(Config(id_dropout=share), catalog(), train=seen) for share in (0.5, 0.0))

    for _ in range(20):
        prepared(torch.tensor([[1, 4]]))
        assert prepared.id_vectors(torch.tensor([4])).abs().max() == 0
        prepared.zero_grad()
        prepared.id_vectors().sum().backward()
        assert prepared.item_table.weight.grad[4].abs().max() == 0
    assert (prepared.eval().id_vectors().abs().sum(1) == 0).tolist() == [item == 4 for item in range(1, N + 1)]
    assert plain.id_vectors().abs().sum(1).min() > 0


def test_weights_that_are_loaded_say_themselves_what_was_seen() -> None:
    """Of a refitted run, say, whose catalogue counts the sessions without validation."""
    trained = Inputs(Config(id_dropout=0.5), catalog(), train=Sessions.from_lists([[*range(1, N + 1)]]))
    counts = pa.array([0 if item == 4 else 3 for item in range(1, N + 1)], pa.int64())
    known = catalog()
    place = known.items.column_names.index("train_count")
    known = dataclasses.replace(known, items=known.items.set_column(place, "train_count", counts))

    opened = Inputs(Config(id_dropout=0.5), known)
    opened.load_state_dict(trained.state_dict())

    assert torch.equal(opened.eval().id_vectors(), trained.eval().id_vectors())


def test_where_ids_are_all_that_is_known_nothing_is_dropped() -> None:
    inputs = Inputs(Config(id_dropout=0.9), catalog(levels=False, features=False))

    for _ in range(5):
        inputs(torch.tensor([[1]]))
        assert inputs.id_vectors().abs().sum(1).min() > 0


NEAR = Sessions.from_lists([[1, 2, 3], [2, 1], [4, 2], [12, 7, 12]])


def with_neighbours(**settings) -> Inputs:
    torch.manual_seed(0)
    config = Config(**{"item_width": 5, "category_width": 0, "metadata_width": 0, "neighbours": 2, **settings})
    return Inputs(config, catalog(), train=NEAR)


def mixed_by_hand(inputs: Inputs) -> np.ndarray:
    """(N + 1, d_I): each row and a share of its neighbours' rows."""
    table = inputs.item_table.weight.detach().numpy().astype(np.float64)
    found = table.copy()
    edges, shares = nearest(N, NEAR, 2)
    for (item, other), share in zip(edges.T.tolist(), shares.tolist(), strict=True):
        found[item] += inputs.neighbour_share.item() * share * table[other]
    return found


def test_neighbours_flow_into_an_item() -> None:
    inputs = with_neighbours()
    expected = mixed_by_hand(inputs)

    np.testing.assert_allclose(
        inputs(torch.tensor([[1, 2, 0], [5, 12, 4]])).detach()[0], expected[[1, 2, 0]], rtol=1e-5
    )
    np.testing.assert_allclose(inputs.id_vectors().detach(), expected[1:], rtol=1e-5)
    assert (expected[5] == inputs.item_table.weight[5].detach().numpy()).all(), "an item without neighbours"
    assert (inputs.id_vectors(torch.tensor([0])) == 0).all()


def test_all_that_flows_into_an_item_learns() -> None:
    inputs = with_neighbours()

    inputs(torch.tensor([[1]])).sum().backward()

    assert inputs.neighbour_share.grad.item() != 0
    edges, _ = nearest(N, NEAR, 2)
    near = set(edges[1][edges[0] == 1].tolist())
    assert set(inputs.item_table.weight.grad.abs().sum(1).nonzero()[:, 0].tolist()) == {1, *near}


def test_neighbours_are_mixed_once_a_step_and_once_for_all_in_inference(monkeypatch) -> None:
    inputs, calls = with_neighbours(), []
    mixed = ItemGraph.mixed
    monkeypatch.setattr(ItemGraph, "mixed", lambda graph, *rest: calls.append(1) or mixed(graph, *rest))

    inputs(torch.tensor([[1, 2]]))
    inputs.id_vectors()
    assert len(calls) == 1
    inputs(torch.tensor([[1, 2]]))
    assert len(calls) == 2, "the next step has other weights"
    inputs.eval()
    with torch.inference_mode():
        before = inputs(torch.tensor([[1, 2]])).clone()
        inputs.id_vectors()
    assert len(calls) == 3
    inputs.train()
    with torch.no_grad():
        inputs.item_table.weight[1] += 1
    inputs.eval()
    with torch.inference_mode():
        assert not torch.equal(inputs(torch.tensor([[1, 2]])), before)


def test_neighbours_are_mixed_again_when_other_weights_are_loaded() -> None:
    """As those of the best epoch are, after the validation of the last one."""
    inputs, fresh = with_neighbours().eval(), with_neighbours().eval()
    others = {name: value + 1 if name == "item_table.weight" else value for name, value in inputs.state_dict().items()}
    with torch.inference_mode():
        before = inputs.id_vectors().clone()

    for one in (inputs, fresh):
        one.load_state_dict(others)

    with torch.inference_mode():
        assert torch.equal(inputs.id_vectors(), fresh.id_vectors())
        assert not torch.equal(inputs.id_vectors(), before)


def test_an_item_without_its_id_has_no_neighbours_either() -> None:
    inputs = with_neighbours(id_dropout=0.99, category_width=3)
    torch.manual_seed(0)

    vectors = inputs(torch.tensor([[1, 2, 3]]))

    assert (vectors[..., :5] == 0).all()
    inputs.eval()
    np.testing.assert_allclose(
        inputs.id_vectors(torch.tensor([1, 2])).detach(), mixed_by_hand(inputs)[[1, 2]], rtol=1e-5
    )


@pytest.mark.parametrize("items", [[[1, 2, 0], [5, 1, 4]], [[12]], [[3, 3]]], ids=["some", "one", "twice"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_that_are_read_have_the_neighbours_and_gradients_of_the_whole_table(items, dtype) -> None:
    """For a softmax that reads some rows only; of what no row needs there is no gradient."""
    found = []
    for sparse in (False, True):
        inputs = with_neighbours(item_width=6)
        if sparse:
            inputs.use_sparse_gradients()
        weights = torch.randn(2, len(items), len(items[0]), 6, generator=torch.Generator().manual_seed(1))
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            read = inputs(torch.tensor(items))
            again = inputs.id_vectors(torch.tensor(items).flip(1))
        (read * weights[0] + again * weights[1]).sum().backward()
        gradient = inputs.item_table.weight.grad
        assert gradient.is_sparse == sparse
        found.append((read.detach(), again.detach(), inputs.neighbour_share.grad, gradient.to_dense()[1:]))
    edges, _ = nearest(N, NEAR, 2)
    needed = {item for row in items for item in row}
    needed |= {int(other) for item, other in edges.T if int(item) in needed}

    assert set(gradient.coalesce().indices()[0].tolist()) == needed
    assert inputs._mixed is None, "the whole table was not mixed"
    close = {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 0.02, "atol": 0.02}
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, **close)


def test_rows_that_are_read_are_those_of_inference() -> None:
    inputs = with_neighbours()
    inputs.use_sparse_gradients()
    items = torch.arange(1, N + 1)
    trained = inputs.id_vectors(items)

    torch.testing.assert_close(trained, inputs.eval().id_vectors())
