"""What a session's items add to their own scores, against loops over the positions."""

import pytest
import torch
from torch import Tensor

from hiersrec.model.score_term import SparseScores, by_item, position_values
from hiersrec.model.score_terms.repeats import Repeats

D, T, N = 6, 7, 5
LENGTHS = [4, 7, 1, 6]


@pytest.fixture
def made() -> Repeats:
    """One whose weights all matter."""
    torch.manual_seed(3)
    found = Repeats(D, max_length=10, offset="fit").eval()
    found.get_buffer("offset").fill_(0.7)
    with torch.no_grad():
        for one in found.parameters():
            one.normal_()
    return found


def given() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Items (B, T) that come several times, states (B, T, D), mask (B, T), and z_final of each position (B, T, D)."""
    torch.manual_seed(0)
    mask = torch.arange(T) < torch.tensor(LENGTHS)[:, None]
    items = torch.randint(1, N + 1, (len(LENGTHS), T)) * mask
    return items, torch.randn(len(LENGTHS), T, D), mask, torch.randn(len(LENGTHS), T, D)


def by_hand(made: Repeats, items: list[int], states: Tensor, final: Tensor) -> dict[int, float]:
    """Item -> what a session of `items` adds to its score."""
    found: dict[int, float] = {}
    for at, item in enumerate(items):
        hidden = torch.relu(made.state(states[at]) + made.final(final))
        value = made.place[len(items) - 1 - at] + made.out(hidden)[0] + 0.7
        found[item] = found.get(item, 0.0) + value.item()
    return found


def sparse(made: Repeats, items: Tensor, states: Tensor, mask: Tensor, final: Tensor) -> SparseScores:
    [values] = position_values([made], states, mask, final)
    return by_item(items, mask, values)


def as_dicts(scores: SparseScores, rows: int) -> list[dict[int, float]]:
    """Row -> item -> value; each place is there once."""
    found: list[dict[int, float]] = [{} for _ in range(rows)]
    for row, item, value in zip(*(one.tolist() for one in scores), strict=True):
        assert item + 1 not in found[row]
        found[row][item + 1] = value
    return found


def test_scores_of_sessions_are_sums_over_the_positions_of_an_item(made) -> None:
    items, states, mask, finals = given()
    final = finals[:, 0]

    found = as_dicts(sparse(made, items, states, mask, final), len(items))

    for row, length in enumerate(LENGTHS):
        expected = by_hand(made, items[row, :length].tolist(), states[row], final[row])
        assert found[row] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert len(found[1]) < LENGTHS[1], "an item came twice"


def test_scores_of_every_prefix_are_those_of_the_prefix_by_itself(made) -> None:
    items, states, mask, finals = given()

    found = as_dicts(sparse(made, items, states, mask, finals), sum(LENGTHS))

    row = 0
    for session, length in enumerate(LENGTHS):
        for end in range(length):
            expected = by_hand(made, items[session, : end + 1].tolist(), states[session], finals[session, end])
            assert found[row] == pytest.approx(expected, rel=1e-4, abs=1e-5)
            row += 1


def test_rows_ascend(made) -> None:
    items, states, mask, finals = given()

    for final in (finals, finals[:, 0]):
        assert (sparse(made, items, states, mask, final).rows.diff() >= 0).all()


def test_padding_adds_nothing(made) -> None:
    items, states, mask, finals = given()

    [values] = position_values([made], states, mask, finals[:, 0])
    values = values[:, 0]

    assert (values[~mask] == 0).all()
    assert (values[mask] != 0).all()
    short = sparse(made, items[:1, :4], states[:1, :4], mask[:1, :4], finals[:1, 0])
    padded = sparse(made, items[:1], states[:1], mask[:1], finals[:1, 0])
    for one, other in zip(short, padded, strict=True):
        torch.testing.assert_close(one, other)


def test_sparse_scores_are_added_to_logits_in_their_places() -> None:
    logits = torch.arange(6.0).reshape(2, 3)
    sparse = SparseScores(torch.tensor([0, 1]), torch.tensor([2, 0]), torch.tensor([10.0, -1.0]))

    in_bf16 = sparse.add_to(logits.bfloat16())
    found = sparse.add_to(logits)

    assert found is logits
    assert in_bf16.dtype == torch.float32
    assert found.tolist() == in_bf16.tolist() == [[0, 1, 12], [2, 4, 5]]


def test_in_the_precision_of_training_they_are_near_and_float32(made) -> None:
    items, states, mask, finals = given()
    exact = sparse(made, items, states, mask, finals)

    with torch.autocast("cpu", torch.bfloat16):
        found = sparse(made, items, states, mask, finals)

    assert found.values.dtype == torch.float32
    torch.testing.assert_close(found.values, exact.values, rtol=0.05, atol=0.1)


def test_a_new_one_hardly_changes_a_score() -> None:
    items, states, mask, finals = given()

    assert sparse(Repeats(D, 10, "fit"), items, states, mask, finals[:, 0]).values.abs().max() < 0.2


def test_threads_do_not_change_the_gradient(made) -> None:
    items, states, mask, finals = given()
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            made.zero_grad()
            sparse(made, items, states, mask, finals).values.sum().backward()
            found.append([one.grad.numpy().tobytes() for one in made.parameters()])
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_training_does_not_know_the_offset(made) -> None:
    _, states, mask, finals = given()
    with_it = position_values([made], states, mask, finals[:, 0])[0]
    without = position_values([made.train()], states, mask, finals[:, 0])[0]
    torch.testing.assert_close(with_it - without, 0.7 * mask[:, None].float())


def test_weights_of_older_runs_have_no_offset(made) -> None:
    older = {name: value for name, value in made.state_dict().items() if name != "offset"}
    term = Repeats(D, max_length=10, offset="fit")
    term.load_state_dict(older)
    assert term.get_buffer("offset").item() == 0
