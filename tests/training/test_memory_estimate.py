import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from hiersrec.build import build_model
from hiersrec.config import ModelRecipe
from hiersrec.errors import BadRecipe
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import Dataset, TrainingData
from hiersrec.store.sessions import Sessions
from hiersrec.training import loop, memory_estimate
from hiersrec.training.callbacks import CallbackGroup
from hiersrec.training.checkpoint import Progress
from hiersrec.training.distributed import single_process
from hiersrec.training.examples import examples_of
from hiersrec.training.fit_tree import lesson_count
from hiersrec.training.memory_estimate import MemoryEstimate, check_memory, estimate_memory, largest_batch
from hiersrec.training.optimizer import optimizers
from hiersrec.training.progress import SilentReporter
from tests.model import world

pytestmark = pytest.mark.slow


@pytest.fixture
def data(dataset: Dataset) -> TrainingData:
    return dataset.training()


def recipe(*overrides: str, name: str = "hiersrec") -> ModelRecipe:
    made = read_recipe(find_recipe(name, "any"), ["training.precision=float32", *overrides])
    assert isinstance(made, ModelRecipe)
    return made


def sessions(longest: int, count: int = 40) -> Sessions:
    """Sessions of the items of the toy world, one of `longest`, the others of 3."""
    random = np.random.default_rng(4)
    return Sessions.from_lists(
        [random.integers(1, world.N + 1, longest if index == 0 else 3).tolist() for index in range(count)]
    )


def toy(longest: int = 9, count: int = 40) -> TrainingData:
    """The toy world with sessions; events have no types."""
    split = sessions(longest, count)
    return TrainingData(dataclasses.replace(world.catalog(), event_types={}), split, split)


def real_step(made: ModelRecipe, data: TrainingData, folder) -> int:
    """Slow twin: bytes that torch's own allocator says were in use at the peak of the largest step, beyond those
    before it. The second step, since the first one makes the optimizer's moments."""
    model = build_model(made, data.catalog, data.train).train()
    examples = examples_of(data.train, model.max_length, made.training.positions == "all", torch.device("cpu"))
    order = np.argsort(-examples.lengths, kind="stable")
    size = next(n for n in range(1, len(order) + 1) if examples.count(order[:n]) >= made.training.batch_size)
    rows = order[:size]
    rest = (examples, made.training, torch.float32, folder, SilentReporter(), single_process(), None, CallbackGroup())
    setup = loop.TrainingSetup(model, model.loss, optimizers(model, made.training), *rest)
    loop._step(setup, Progress(), rows, 0.0, False)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        loop._step(setup, Progress(), rows, 0.0, False)
    events = recorded.profiler.kineto_results.events()
    return int(np.cumsum([event.nbytes() for event in events if event.name() == "[memory]"]).max())


SAMPLED = ("tasks.item.softmax=sampled", "tasks.item.negatives=512")


@pytest.mark.parametrize(
    ("name", "overrides", "within"),
    [
        ("hiersrec", [], 0.05),
        ("hiersrec", ["encoder.name=stamp", "tasks.item.head=linear"], 0.05),
        ("hiersrec", SAMPLED, 0.05),
        # One pass over the sessions, neighbours, and items of the session. torch keeps one gradient of the encoder's
        # input longer, at sizes at which that is a twelfth of all.
        ("best", [], 0.12),
        ("sampled", ("tasks.item.negatives=512",), 0.12),
    ],
)
def test_a_step_is_what_torch_itself_counts(tmp_path, name, overrides, within) -> None:
    made, data = recipe("training.batch_size=256", *overrides, name=name), toy(count=200)

    expected = real_step(made, data, tmp_path)

    assert estimate_memory(made, data).step / memory_estimate.HEAP == pytest.approx(expected, rel=within)


def test_the_largest_batches_by_hand() -> None:
    """Sessions of 10, 5, 3, 3 and 1 items have 9 + 4 + 2 + 2 prefixes, and pieces of 4, 4, 1, 4, 2 and 2 items."""
    split = Sessions.from_lists([[1] * length for length in (10, 5, 3, 3, 1)])

    assert largest_batch(split, 9, 4, every=True).tolist() == [4, 4, 4]
    assert largest_batch(split, 14, 4, every=True).tolist() == [4, 4, 4, 2]
    assert largest_batch(split, 99, 4, every=True).tolist() == [4, 4, 4, 2, 2, 1]
    assert largest_batch(split, 9, 4, every=False).tolist() == [4] * 9
    assert largest_batch(split, 99, 4, every=False).tolist() == [4] * 17
    assert largest_batch(Sessions.from_lists([[1]]), 9, 4, every=True).tolist() == [1], "a model needs some shape"


def test_what_masks_hold_by_hand() -> None:
    """Of sessions of 3 and 2 items: 5 positions; 6 + 3 items in their prefixes, and 5 in the last ones."""
    rows = np.array([3, 2])

    for every, items in ((True, 9), (False, 5)):
        with memory_estimate._counting() as count:
            given, lengths = count.batch(rows, every)
            mask = given == 0
            shapes = [mask.flatten().nonzero().shape, mask[:, None].nonzero().shape]
        assert (tuple(given.shape), tuple(lengths.shape)) == ((2, 3), (2,))
        assert [tuple(shape) for shape in shapes] == [(5, 1), (items, 3)]


def test_a_step_reads_no_row_twice() -> None:
    """Of 300 items that it looks up there are at most the 100 rows of the table."""
    with memory_estimate._counting() as count:
        count.rows = 100
        few, many = (torch.unique(torch.zeros(size, dtype=torch.int64), return_inverse=True) for size in (30, 300))

    assert [tuple(part.shape) for part in (*few, *many)] == [(30,), (30,), (100,), (300,)]


def test_a_tree_head_by_hand() -> None:
    """It learns from each prefix, and twice more with clicks exchanged where there are few: its state and its paths."""
    made, data = recipe(name="best"), toy()
    model = build_model(made, data.catalog)
    assert model.tree_head is not None
    one = 4 * model.inputs.width + 2 * model.tree_head.num_classes

    assert estimate_memory(made, data).tree == 3 * (8 + 39 * 2) * one
    assert estimate_memory(recipe("tasks.category.tree=false", name="best"), data).tree == 0
    assert lesson_count(10**9, 384, 1000) == 303_660, "2^30 bytes hold them, of 3,536 each"


def test_sessions_that_training_leaves_out_need_nothing(data) -> None:
    whole, newest = (estimate_memory(recipe(f"training.newest_share={share}"), data) for share in (1.0, 0.1))
    events = len(data.train.items) - len(data.train.newest(0.1).items)

    assert whole.data - newest.data == memory_estimate.EVENT * events > 0
    assert newest.step < whole.step


def test_weights_and_optimizer_are_those_of_the_real_model(data) -> None:
    model = build_model(recipe(), data.catalog)
    parameters = sum(tensor.nbytes for tensor in model.parameters())

    estimate = estimate_memory(recipe(), data)

    assert estimate.weights == parameters + sum(tensor.nbytes for tensor in model.buffers())
    steps = sum(4 for _ in model.parameters())  # each has a count of its steps
    assert estimate.optimizer == 3 * parameters + steps


def test_a_table_with_sparse_gradients_has_moments_and_no_whole_gradient(data) -> None:
    sampled = recipe("tasks.item.softmax=sampled")
    full, partial = estimate_memory(recipe(), data), estimate_memory(sampled, data)
    [table] = build_model(sampled, data.catalog).sparse_parameters()

    assert full.optimizer - partial.optimizer == pytest.approx(table.nbytes, abs=100)  # steps are counted


SMALL = [
    *("training.batch_size=16", "encoder.layers=1", "encoder.max_length=2"),
    *("inputs.item_width=64", "inputs.category_width=32", "inputs.metadata_width=32"),
]


@pytest.fixture(scope="module")
def small() -> MemoryEstimate:
    return estimate_memory(recipe(*SMALL), toy())


PRECISIONS = ("bf16", "float32")
LARGER = [
    ("step", "training.batch_size=64"),
    ("step", "encoder.layers=2"),
    ("step", "encoder.max_length=8"),
    ("weights", "inputs.item_width=128"),
    ("data", "inputs.neighbours=3"),
    ("optimizer", "encoder.layers=2"),
    ("validation", "encoder.max_length=8"),
]


@pytest.mark.parametrize(("part", "large"), LARGER)
def test_what_is_larger_needs_more(small, part, large) -> None:
    assert getattr(estimate_memory(recipe(*SMALL, large), toy()), part) > getattr(small, part)


def test_half_the_precision_is_less_where_activations_outweigh_the_weights() -> None:
    estimates = [
        estimate_memory(recipe("training.batch_size=256", f"training.precision={dtype}"), toy(count=200))
        for dtype in PRECISIONS
    ]

    assert estimates[0].step < estimates[1].step
    assert estimates[0].weights == estimates[1].weights


def test_long_sessions_need_more_up_to_what_the_encoder_takes() -> None:
    made = recipe(*SMALL, "encoder.max_length=8")
    steps = [estimate_memory(made, toy(longest)).step for longest in (4, 9, 30)]

    assert steps[0] < steps[1] == steps[2]


def test_a_batch_is_no_larger_than_the_data() -> None:
    estimates = [estimate_memory(recipe(*SMALL, f"training.batch_size={size}"), toy()) for size in (86, 100_000)]

    assert estimates[0] == estimates[1]


def test_every_task_counts(small) -> None:
    assert small.weights > estimate_memory(recipe(*SMALL, name="single_task"), toy()).weights


def test_nothing_is_allocated() -> None:
    """Twenty million items: weights of 10 GB, and several times that in a step."""
    catalog = Catalog(pa.table({"item": pa.nulls(20_000_000)}), [], [])

    estimate = estimate_memory(
        recipe("training.batch_size=4", name="single_task"), TrainingData(catalog, sessions(9, count=400), sessions(9))
    )

    assert estimate.weights > 10e9
    assert estimate.step > 20e9
    assert estimate.total > 60e9


def test_the_same_again_and_no_random_number_is_drawn(small) -> None:
    before = torch.get_rng_state()

    assert estimate_memory(recipe(*SMALL), toy()) == small

    assert torch.equal(torch.get_rng_state(), before)
    assert float(torch.ones(2).sum()) == 2  # tensors are real again


def test_more_events_need_more(data) -> None:
    fewer = Sessions(data.train.items[: data.train.offsets[10]], data.train.offsets[:11])

    more, less = (
        estimate_memory(recipe(*SMALL), sessions).data for sessions in (data, dataclasses.replace(data, train=fewer))
    )

    assert more - less == memory_estimate.EVENT * (len(data.train.items) - len(fewer.items))


def test_a_step_and_a_validation_take_turns() -> None:
    parts = {"process": 1, "data": 2, "weights": 4, "optimizer": 8, "validation": 32, "tree": 128}
    assert MemoryEstimate(**parts, step=16).total == 47 + 128
    assert MemoryEstimate(**parts, step=64).document()["total"] == 79 + 128


def test_only_what_may_be_large_is_counted_before_a_training(monkeypatch) -> None:
    monkeypatch.setattr(memory_estimate, "memory_of_machine", lambda: 8_000_000_000)
    small, large, huge = (recipe(*SMALL, f"inputs.item_width={width}") for width in (64, 2000, 9000))
    cpu, gpu = torch.device("cpu"), torch.device("cuda")

    assert check_memory(small, toy(), cpu) is None
    assert check_memory(large, toy(), cpu) == estimate_memory(large, toy()).total
    assert check_memory(huge, toy(), gpu) is None, "weights without gradients and moments fit"
    with pytest.raises(BadRecipe, match=r"The model takes [\d.]+ GB .* with gradients .*, and this machine has 8\.0"):
        check_memory(huge, toy(), cpu)
