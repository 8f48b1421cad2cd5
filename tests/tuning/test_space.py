import pytest

from hiersrec.errors import BadRecipe, HiersrecError
from hiersrec.recipe_file import RECIPES, read_recipe, recipe_names, write_recipe
from hiersrec.tuning.space import Choices, Range, read_space, with_settings

BASE = 'base = "any/hiersrec"\n'
COUNTED = '[baseline]\nname = "cooccurrence"\n'
RATE = "training.learning_rate = { low = 1e-4, high = 1e-2, log = true }\n"


def names_with_search() -> list[str]:
    return [name for name in recipe_names() if "[search]" in (RECIPES / f"{name}.toml").read_text(encoding="utf-8")]


def test_axes_and_the_recipes_own_values(recipe) -> None:
    space = read_space(
        recipe(f'{BASE}[search]\n{RATE}encoder.layers = {{ low = 1, high = 4 }}\npooling = ["last", "average"]\n'),
        ["tasks.category.weight=0.5", "inputs.dropout=0.2"],
    )

    assert space.axes == {
        "encoder.layers": Range(low=1, high=4),
        "pooling": Choices(("last", "average")),
        "training.learning_rate": Range(low=1e-4, high=1e-2, log=True),
    }
    assert list(space.axes) == sorted(space.axes)
    assert space.own == {"encoder.layers": 2, "pooling": "average", "training.learning_rate": 1e-3}
    assert space.skipped == []


def test_places_may_stand_in_quotes(recipe) -> None:
    plain = read_space(recipe(f"{COUNTED}[search]\nbaseline.window = [3, 20]\n"))

    quoted = read_space(recipe(f'{COUNTED}[search]\n"baseline.window" = [3, 20]\n'))

    assert quoted == plain
    assert plain.axes == {"baseline.window": Choices((3, 20))}


def test_whole_bounds_of_a_setting_with_a_point_get_one(recipe) -> None:
    space = read_space(
        recipe(
            f"{COUNTED}[search]\nbaseline.itself = {{ low = 0, high = 2 }}\n"
            "baseline.window = { low = 1, high = 30 }\n"
        )
    )

    itself, window = space.axes["baseline.itself"], space.axes["baseline.window"]
    assert isinstance(itself, Range)
    assert isinstance(window, Range)
    assert (type(itself.low), type(itself.high)) == (float, float)
    assert (type(window.low), type(window.high)) == (int, int)


def test_a_recipe_has_the_search_of_its_base_with_its_own_keys_laid_over(recipe) -> None:
    base = read_space(RECIPES / "any" / "hiersrec.toml")

    space = read_space(recipe(f"{BASE}[search]\nencoder.layers = [2, 5]\nencoder.heads = [4, 8]\n"))

    assert space.axes == base.axes | {"encoder.layers": Choices((2, 5)), "encoder.heads": Choices((4, 8))}


def test_keys_of_the_base_for_what_the_recipe_replaced_take_no_part(recipe) -> None:
    space = read_space(recipe(f'{BASE}replace_tasks = true\n[encoder]\nname = "mean"\n[[tasks]]\nname = "item"\n'))

    assert space.skipped == ["encoder.layers", "tasks.category.weight"]
    assert set(space.axes) == {"inputs.dropout", "training.learning_rate"}


def test_what_set_gives_is_held_and_what_it_takes_away_takes_no_part(recipe) -> None:
    path = recipe(f"{BASE}[search]\n{RATE}encoder.heads = [4, 8]\n")

    space = read_space(path, ["training.learning_rate=0.5", "encoder.name=mean"])

    assert "training.learning_rate" not in space.axes
    assert space.skipped == ["encoder.heads", "encoder.layers"]


def test_a_search_is_no_part_of_the_recipe(recipe) -> None:
    without = read_recipe(recipe(COUNTED))

    plain = read_recipe(recipe(f"{COUNTED}[search]\nbaseline.window = [3, 20]\n"))

    assert plain == without
    assert "search" not in write_recipe(plain)


def test_settings_go_over_the_recipe_with_their_types(recipe) -> None:
    settings = {
        "tasks.item.reads": ["category_1"],
        "tasks.item.head": "linear",
        "training.learning_rate": 1.25e-05,
        "encoder.layers": 3,
        "inputs.dropout": 0.0,
        "encoder.causal": True,
    }

    changed = with_settings(recipe(BASE), settings, ["encoder.layers=1", "training.epochs=7"])

    assert (changed.tasks[1].reads, changed.tasks[1].config.head) == (("category_1",), "linear")
    assert (changed.training.learning_rate, changed.training.epochs) == (1.25e-05, 7)
    assert (changed.encoder.config.layers, changed.encoder.config.causal, changed.inputs.dropout) == (3, True, 0.0)


def test_another_encoder_keeps_the_settings_that_come_with_it(recipe) -> None:
    changed = with_settings(recipe(BASE), {"encoder.layers": 3, "encoder.name": "gru"})

    assert (changed.encoder.name, changed.encoder.config.layers) == ("gru", 3)


def test_some_recipes_of_the_package_have_a_search() -> None:
    assert {"any/hiersrec", "any/hiersrec_paper", "any/cooccurrence"} <= set(names_with_search())


@pytest.mark.parametrize("name", recipe_names())
def test_every_search_of_the_package_holds_its_own_recipe_and_finds_every_place(name) -> None:
    path = RECIPES / f"{name}.toml"
    try:
        space = read_space(path)
    except BadRecipe as error:
        assert "has no" in str(error)  # noqa: PT017 - recipes without one are right too
        assert name not in names_with_search()
        return

    assert with_settings(path, space.own) == read_recipe(path)


MISTAKES = [
    (COUNTED, "mine.toml has no settings to search in [search]. Write a .toml file"),
    ('[baseline]\nname = "popularity"\n', "mine.toml has no setting that a search could change."),
    (f"{COUNTED}[search]\n", "mine.toml has no settings to search in [search]."),
    (f"search = 3\n{COUNTED}", "[search] must be a table of settings, got 3."),
    (f"{COUNTED}[search]\nbaseline.windw = [1, 2]\n", "no key 'windw'. Did you mean 'window'?"),
    (f"{COUNTED}[search]\nbaselin.window = [1, 20]\n", "[search] baselin.window = 1: mine.toml"),
    (f"{COUNTED}[search]\nwindow = [1, 20]\n", "[search] window = 1: mine.toml"),
    (f"{COUNTED}[search]\nbaseline.window.now = [1, 20]\n", "is no place of a recipe"),
    (f"{BASE}[search]\ntasks.items.head = ['linear', 'cosine']\n", "there is no task 'items'."),
    (f"{COUNTED}[search]\nbaseline.window = []\n", "must list two choices or more, all different, got []."),
    (f"{COUNTED}[search]\nbaseline.window = [20]\n", "must list two choices or more, all different, got [20]."),
    (f"{COUNTED}[search]\nbaseline.window = [20, 3, 3]\n", "all different, got [20, 3, 3]."),
    (
        f"{COUNTED}[search]\nbaseline.window = 20\n",
        "[search] baseline.window must be a list of choices or { low = ..., high = ... }",
    ),
    (f"{BASE}[search]\ntasks.item.scale = 3.0\n", "[search] tasks.item.scale must be a list of choices or"),
    (f"{COUNTED}[search]\nbaseline.window = {{}}\n", "[search] baseline.window low: Field required"),
    (f"{COUNTED}[search]\n'baseline.window' = 20\n", "must be a list of choices or { low = ..., high = ... }, got 20."),
    (f"{COUNTED}[search]\nbaseline.window = {{ low = 3 }}\n", "[search] baseline.window high: Field required"),
    (f"{COUNTED}[search]\n'baseline.window' = {{ low = 3, hi = 4 }}\n", "[search] baseline.window has no key 'hi'."),
    (
        f"{COUNTED}[search]\n'baseline.window' = {{ low = 30, high = 30 }}\n",
        "low must be less than high, got 30 and 30",
    ),
    (
        f"{COUNTED}[search]\n'baseline.window' = {{ low = '1', high = 3 }}\n",
        "[search] baseline.window low: Input should",
    ),
    (
        f"{COUNTED}[search]\n'baseline.itself' = {{ low = 0.0, high = 2.0, log = true }}\n",
        "[search] baseline.itself: with log, low must be greater than 0, got 0.0.",
    ),
    (
        f"{COUNTED}[search]\n'baseline.window' = {{ low = 0, high = 30 }}\n",
        "[search] baseline.window = 0: [baseline] cooccurrence window: Input should be greater than or equal to 1",
    ),
    (
        f"{COUNTED}[search]\n'baseline.window' = {{ low = 1.5, high = 30.0 }}\n",
        "[search] baseline.window = 1.5: [baseline] cooccurrence window: Input should be a valid integer",
    ),
    (f"{COUNTED}[search]\nbaseline.window = [20, 'wide']\n", "[search] baseline.window = 'wide': [baseline] cooccur"),
    (f"{COUNTED}[search]\nbaseline.window = [20, 2020-01-01]\n", "Input should be a valid integer"),
    (f"{BASE}[search]\nencoder.name = ['transformer', 'nram']\n", "[search] encoder.name = 'nram': No 'nram' in"),
    (
        f"{COUNTED}[search]\nbaseline.window = [1, 3]\n",
        "[search] baseline.window must include 20, the value of the unchanged recipe, which is tried first. Widen it, "
        "change the recipe, or fix the setting with --set baseline.window=20.",
    ),
    (f"{COUNTED}[search]\n'baseline.window' = {{ low = 1, high = 3 }}\n", "baseline.window must include 20"),
    (
        '[[tasks]]\nname = "category"\nlevel = 1\n[[tasks]]\nname = "category"\nlevel = 2\nweight = 0.5\n'
        '[[tasks]]\nname = "item"\n[search]\ntasks.category.weight = [0.5, 1.0]\n',
        "[search] tasks.category.weight needs one value in the unchanged recipe, which is tried first; it has",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_in_a_search_is_told_with_its_place(recipe, text, message) -> None:
    with pytest.raises(HiersrecError) as error:
        read_space(recipe(text))

    assert message in str(error.value)


def test_a_search_all_of_which_is_held(recipe) -> None:
    path = recipe(f"{COUNTED}[search]\nbaseline.window = [3, 20]\n")

    with pytest.raises(
        BadRecipe, match=r"search in \[search\] except those fixed by --set \(baseline\.window\)\. Write a"
    ):
        read_space(path, ["baseline.window=7"])
