"""Members of other distributions: found, checked before they are imported, and never taken from an opened folder."""

import json
import os
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import tomli_w

from hiersrec import plugins, registry
from hiersrec.api.members import members
from hiersrec.build import build_model, open_run
from hiersrec.errors import BadFolder, BadInput, BadPlugin, BadRecipe, UnknownName
from hiersrec.preparation.column_kinds import kinds
from hiersrec.preparation.new_items import encode_new
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import Metadata, PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.recipe_file import find_recipe, members_of, read_recipe, write_recipe
from hiersrec.store.dataset import Dataset
from hiersrec.store.folder import open_seal, seal
from hiersrec.testing import check_metadata, check_score_term
from tests.toy import toy, write_toy

pytestmark = pytest.mark.slow

ENCODER = '''"""A tiny encoder."""
from hiersrec.model.encoders.mean import Config, build
'''
TERM = '''"""A term."""
from dataclasses import dataclass

import torch
from hiersrec.model.buffers import register_constant
from hiersrec.model.score_term import ItemTerm


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings."""

    sale: float = 0.0
    """Added to every score."""


def build(config, catalog, width, max_length, train):
    return Sale(torch.full((catalog.num_items,), config.sale)) if config.sale else None


class Sale(ItemTerm):
    """A constant."""

    label = "sale"

    def __init__(self, values):
        super().__init__()
        register_constant(self, "values", values)

    def forward(self):
        return self.get_buffer("values")
'''


class Site:
    """A folder of installed distributions on Python's path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, module: str, text: str) -> None:
        path = self.folder.joinpath(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def install(self, name: str, version: str, entries: dict[str, dict[str, str]]) -> None:
        """entries: kind -> name -> module."""
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        groups = (
            f"[hiersrec.{kind}]\n" + "".join(f"{member} = {module}\n" for member, module in group.items())
            for kind, group in entries.items()
        )
        (info / "entry_points.txt").write_text("\n".join(groups))
        plugins._entry_points.cache_clear()


@pytest.fixture
def site(tmp_path, monkeypatch):
    before = set(sys.modules)
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    plugins._entry_points.cache_clear()
    yield Site(folder)
    plugins._entry_points.cache_clear()
    plugins._distribution_of.cache_clear()
    for name in set(sys.modules) - before:
        if not name.startswith("hiersrec"):
            del sys.modules[name]


@pytest.fixture
def shop(site) -> Site:
    """my-shop 1.2, with an encoder, a score term and a recipe."""
    site.write("my_shop.tiny", ENCODER)
    site.write("my_shop.sale", TERM)
    site.write("my_shop.__init__", "")
    (site.folder / "my_shop" / "recipes" / "any").mkdir(parents=True)
    text = 'base = "any/hiersrec"\ndescription = "Mine."\n[encoder]\nname = "tiny"\n'
    (site.folder / "my_shop" / "recipes" / "any" / "mine.toml").write_text(text)
    entries = {
        "encoders": {"tiny": "my_shop.tiny", "gru": "my_shop.tiny"},
        "score_terms": {"sale": "my_shop.sale"},
        "recipes": {"any name": "my_shop.recipes"},
    }
    site.install("my-shop", "1.2", entries)
    return site


@pytest.mark.usefixtures("shop")
def test_a_member_of_another_distribution_is_found_by_name() -> None:
    assert "tiny" in registry.names("model.encoders")
    assert registry.load("model.encoders", "tiny").__name__ == "my_shop.tiny"


@pytest.mark.usefixtures("shop")
def test_a_name_of_hiersrec_means_its_own_member() -> None:
    assert registry.load("model.encoders", "gru").__name__ == "hiersrec.model.encoders.gru"
    [gru] = [member for member in members("encoders") if member.name == "gru"]
    assert (gru.origin, gru.problem) == (
        "hiersrec",
        "hides the one of my-shop 1.2: a name of hiersrec is always its own",
    )


@pytest.mark.usefixtures("shop")
def test_members_say_where_they_come_from() -> None:
    listed = {(member.kind, member.name): member for member in members()}

    assert listed["encoders", "tiny"].origin == "my-shop 1.2"
    assert listed["encoders", "tiny"].description == "A tiny encoder."
    assert listed["recipes", "any/mine"].origin == "my-shop 1.2"
    assert listed["recipes", "any/best"].origin == "hiersrec"
    assert "my_shop.tiny" not in sys.modules


def test_an_unknown_name_gets_the_nearest_of_all(shop) -> None:
    del shop
    with pytest.raises(UnknownName, match=r"No 'tini' in hiersrec/model/encoders/\. Did you mean 'tiny'\?"):
        registry.load("model.encoders", "tini")


def test_two_distributions_with_one_name_are_an_error_where_it_is_used(shop) -> None:
    shop.install("other", "3.0", {"encoders": {"tiny": "other.tiny"}})

    with pytest.raises(BadPlugin, match=r"'tiny' of encoders is in my-shop 1\.2 and in other 3\.0\. .*uninstall one"):
        registry.load("model.encoders", "tiny")
    [tiny] = [member for member in members("encoders") if member.name == "tiny"]
    assert set(tiny.origin.split(", ")) == {"my-shop 1.2", "other 3.0"}
    assert registry.load("model.encoders", "my_shop.tiny")


BROKEN = [
    ("x = 1\n", r"module 'my_shop\.bad' of my-shop 2\.0 can't be one of encoders: it lacks Config, build"),
    ("class Config: pass\n", r"it lacks build\. A member of encoders defines Config, build"),
    (
        "import no_such_package\ndef build(): ...\nclass Config: ...\n",
        r"can't be imported: ModuleNotFoundError: No mod",
    ),
    ("def build(:\n", r"is not Python: "),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_a_broken_one_is_one_error_that_names_it(site, text, message) -> None:
    site.write("my_shop.bad", text)
    site.install("my-shop", "2.0", {"encoders": {"bad": "my_shop.bad", "gone": "my_shop.gone"}})

    with pytest.raises(BadPlugin, match=message):
        registry.load("model.encoders", "bad")
    with pytest.raises(BadPlugin, match=r"my-shop 2\.0 has no module 'my_shop\.gone', which it names for 'gone'"):
        registry.load("model.encoders", "gone")
    assert {member.name for member in members("encoders")} > {"bad", "gone"}, "a list does not fail on it"


@pytest.mark.usefixtures("shop")
def test_a_recipe_of_another_distribution() -> None:
    recipe = read_recipe(find_recipe("mine", "any"))

    assert (recipe.name, recipe.encoder.name) == ("mine", "tiny")
    assert registry.record(members_of(recipe)) == [
        {"kind": "encoders", "name": "tiny", "module": "my_shop.tiny", "distribution": "my-shop", "version": "1.2"}
    ]


@pytest.mark.usefixtures("shop")
def test_it_can_be_the_base_of_a_recipe(tmp_path) -> None:
    (tmp_path / "own.toml").write_text('base = "any/mine"\npooling = "last"\n')

    assert read_recipe(tmp_path / "own.toml").encoder.name == "tiny"


@pytest.mark.usefixtures("shop")
def test_a_score_term_takes_part_where_one_of_its_settings_is_given(tmp_path) -> None:
    plain, with_term = (read_recipe(find_recipe("hiersrec", "any"), each) for each in ((), ("tasks.item.sale=2.0",)))

    assert "sale" not in plain.task("item").config.score_terms
    assert "sale" not in write_recipe(plain)
    assert with_term.task("item").config.score_terms["sale"].sale == 2
    (tmp_path / "again.toml").write_text(write_recipe(with_term).replace('name = "hiersrec"', ""))
    assert read_recipe(tmp_path / "again.toml").tasks == with_term.tasks


def test_modules_are_named_in_a_recipe(site, tmp_path) -> None:
    site.write("local.tiny", ENCODER)
    site.write("local.sale", TERM)
    settings = ("encoder.name=local.tiny", 'tasks.item.score_terms=["local.sale"]', "tasks.item.sale=3.0")
    recipe = read_recipe(find_recipe("hiersrec", "any"), settings)
    (tmp_path / "again.toml").write_text(write_recipe(recipe))

    assert read_recipe(tmp_path / "again.toml") == recipe
    assert recipe.task("item").config.score_terms["local.sale"].sale == 3
    assert [(each["name"], each["distribution"]) for each in registry.record(members_of(recipe))] == [
        ("local.tiny", None),
        ("local.sale", None),
    ]


def test_a_module_that_was_written_a_moment_ago_is_found(tmp_path, monkeypatch) -> None:
    package = tmp_path / "just_made"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert plugins.find_spec("just_made.tiny") is None
    before = package.stat()
    (package / "tiny.py").touch()
    os.utime(package, ns=(before.st_atime_ns, before.st_mtime_ns))  # as within one tick of the file system's clock
    assert plugins.find_spec("just_made.tiny") is None, "Python remembers what a folder holds"

    assert plugins.of_module("just_made.tiny").distribution is None


def test_a_setting_that_two_members_have(shop) -> None:
    shop.write("local.head", TERM.replace("sale: float", "head: float"))

    with pytest.raises(BadPlugin, match=r"'local\.head' of score_terms has the setting head, which is there already"):
        read_recipe(find_recipe("hiersrec", "any"), ['tasks.item.score_terms=["local.head"]'])


@pytest.mark.parametrize("value", ['"sale"', "[3]", '["sale"]'])
def test_score_terms_are_listed_as_modules(value) -> None:
    with pytest.raises(BadRecipe, match=r"score_terms: must list modules, such as \[\"my_shop\.terms\.sale\"\], got"):
        read_recipe(find_recipe("hiersrec", "any"), [f"tasks.item.score_terms={value}"])


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(UnknownName, match=r"no module 'no_such\.encoder' on Python's path\. Install"):
        read_recipe(find_recipe("hiersrec", "any"), ["encoder.name=no_such.encoder"])


def test_own_names_need_no_metadata(monkeypatch) -> None:
    def refuse() -> None:
        raise AssertionError("the metadata of all distributions is read")

    monkeypatch.setattr(plugins, "_entry_points", refuse)

    recipe = read_recipe(find_recipe("best", "any"))
    assert registry.record(members_of(recipe)) == []


@pytest.mark.parametrize("name", ["xml.this", "encodings.antigravity"])
def test_a_harmful_module_is_not_imported(site, name) -> None:
    site.write("harm.full", "import sys\nsys.harmed = True\n")
    with pytest.raises(UnknownName):
        read_recipe(find_recipe("hiersrec", "any"), [f"encoder.name={name}"])
    with pytest.raises(BadPlugin, match="can't be one of encoders: it lacks Config, build"):
        read_recipe(find_recipe("hiersrec", "any"), ["encoder.name=harm.full"])
    assert not hasattr(sys, "harmed")


@pytest.mark.parametrize("name", ["this", "antigravity"])
def test_a_module_without_a_package_is_no_member(name) -> None:
    with pytest.raises(UnknownName, match=f"No '{name}' in hiersrec/model/encoders/"):
        read_recipe(find_recipe("hiersrec", "any"), [f"encoder.name={name}"])


HARM = f"{ENCODER}import sys\nsys.harmed = True\n"


def changed(run: Path, folder: Path, encoder: str, **entries: object) -> Path:
    """A copy of a run whose recipe names another encoder, sealed as if it were whole."""
    import shutil

    shutil.copytree(run, folder)
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('name = "transformer"', f'name = "{encoder}"'))
    document = {key: value for key, value in open_seal(run, "run").items() if key not in SEALED}
    files = [folder / name for name in open_seal(run, "run")["files"]]
    (folder / "run.json").unlink()
    seal(folder, "run", document | entries, files)
    return folder


SEALED = ("kind", "format_version", "files", "seal_sha256")


@pytest.mark.parametrize("inside", ["", "below"])
def test_opening_a_run_takes_no_module_from_it(toy_run, site, tmp_path, monkeypatch, inside) -> None:
    del site
    run = changed(toy_run, tmp_path / "run", "planted.evil")
    Site(run / inside).write("planted.evil", HARM)
    monkeypatch.chdir(run / inside)
    monkeypatch.syspath_prepend("")

    with pytest.raises(
        BadPlugin, match=r"names the module 'planted\.evil', which Python would take from that folder its"
    ):
        open_run(run)
    assert not hasattr(sys, "harmed")
    with pytest.raises(BadPlugin, match="Opening a folder runs no code"):
        read_recipe(run / "recipe.toml")


def test_nor_by_a_namespace_above_it_or_by_metadata_in_it(toy_run, site, tmp_path, monkeypatch) -> None:
    del site
    run = changed(toy_run, tmp_path / "run", "run.evil")
    Site(run).write("evil", HARM)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BadPlugin, match="would take from that folder itself"):
        open_run(run)

    other = changed(toy_run, tmp_path / "other", "neat")
    Site(other).write("neat_module", HARM)
    monkeypatch.syspath_prepend(str(other))
    Site(other).install("neat", "1.0", {"encoders": {"neat": "neat_module"}})
    with pytest.raises(BadPlugin, match="would take from that folder itself"):
        open_run(other)
    assert not hasattr(sys, "harmed")


def test_a_run_says_what_to_install(toy_run, site, tmp_path) -> None:
    member = {
        "kind": "encoders",
        "name": "tiny",
        "module": "my_shop.tiny",
        "distribution": "my-shop",
        "version": "1.2",
    }
    run = changed(toy_run, tmp_path / "run", "tiny", plugins=[member])

    expected = (
        r"was made with 'tiny' of encoders, the module my_shop\.tiny of my-shop 1\.2, which is not installed\. "
        r"Run: pip install 'my-shop==1\.2'"
    )
    with pytest.raises(BadFolder, match=expected):
        open_run(run)
    site.install("other", "1.2", {"encoders": {"tiny": "other.tiny"}})
    with pytest.raises(BadFolder, match=expected):  # the name stands for something else here
        open_run(run)


def test_a_run_without_plugins_records_none(toy_run) -> None:
    assert "plugins" not in json.loads((toy_run / "run.json").read_text())


KIND = '''"""Places as two numbers."""
import numpy as np
import pyarrow as pa

NEEDS = "text such as 48.1,11.6"
fits = pa.types.is_string


def fit(values):
    return {"scale": 90.0}


def apply(codebook, values):
    pairs = [(0, 0) if value is None else map(float, value.split(",")) for value in values]
    return np.array([list(pair) for pair in pairs], np.float32).reshape(-1, 2) / codebook["scale"]
'''


def test_a_kind_of_metadata(site, tmp_path) -> None:
    site.write("my_shop.geo", KIND)
    site.install("my-shop", "1.2", {"metadata": {"geo": "my_shop.geo"}})
    shop = write_toy(tmp_path / "shop", sessions=60)
    rows = (shop / "items.csv").read_text().splitlines()
    rows = [f'{row},"{number},11"' if number else f"{row},place" for number, row in enumerate(rows)]
    (shop / "items.csv").write_text("\n".join([*rows[:-1], rows[-1].rsplit(',"')[0] + ","]) + "\n")
    settings = PrepareSettings(
        split=SplitSettings(method="fraction", value=0.2), metadata=Metadata(kinds=("place=geo",))
    )

    prepare(Source("toy", shop / "events.csv", shop / "items.csv"), tmp_path / "data", settings, say=lambda _: None)

    check_metadata("geo", ["3,4", None, "1,1"])
    dataset = Dataset.open(tmp_path / "data")
    place = dataset.catalog.features[-1]
    assert (place.name, place.kind, place.values.shape, place.is_vector) == ("place", "geo", (49, 2), True)
    assert not place.values[48].any()
    [record] = dataset.document["plugins"]
    assert (record["kind"], record["name"], record["distribution"]) == ("metadata", "geo", "my-shop")
    new = pa.table({"item_id": ["new"], "place": ["9,9"]})
    assert encode_new(tmp_path / "data" / "catalog", new)["place"].tolist() == [[pytest.approx(0.1)] * 2]
    site.write("my_shop.geo", "")
    with pytest.raises(BadPlugin, match="it lacks NEEDS, fits, fit, apply"):
        encode_new(tmp_path / "data" / "catalog", new)


def test_a_kind_that_is_not_there() -> None:
    with pytest.raises(UnknownName, match=r"No 'numerik' in hiersrec/preparation/features/\. Did you mean 'numeric'\?"):
        kinds(pa.table({"x": ["a"]}), Metadata(kinds=("x=numerik",)), lambda _: None)


@pytest.mark.parametrize("text", ["place", "=geo", "place="])
def test_a_kind_is_named_with_its_column(text) -> None:
    with pytest.raises(BadInput, match=r"--kind must look like place=geo, a column and a kind, got"):
        Metadata(kinds=(text,))


@pytest.mark.parametrize("name", ["sale", "my_shop.sale"])
@pytest.mark.usefixtures("shop")
def test_a_score_term_keeps_the_contract_under_either_name(name) -> None:
    check_score_term(name, sale=2.0)


def test_two_score_terms_of_one_name(shop) -> None:
    shop.write("other.sale", TERM.replace("sale: float", "bargain: float").replace("config.sale", "config.bargain"))
    settings = (
        'tasks.item.score_terms=["my_shop.sale", "other.sale"]',
        "tasks.item.sale=1.0",
        "tasks.item.bargain=1.0",
    )

    with pytest.raises(BadRecipe, match="there are two score terms 'sale'"):
        build_model(read_recipe(find_recipe("hiersrec", "any"), settings), toy(train=20, test=5).data.catalog)


def test_a_task_without_labels(site) -> None:
    text = "from hiersrec.model.tasks.event_type import Config, build\n"
    site.write("my_shop.mood", f"{text}def members(config, catalog): return {{'mood': config}}\n")
    tasks = [{"name": "my_shop.mood"}, {"name": "item"}]
    recipe = {"inputs": {"item_width": 8}, "encoder": {"name": "mean"}, "tasks": tasks}
    (site.folder / "mood.toml").write_text(tomli_w.dumps(recipe))

    with pytest.raises(
        BadRecipe, match=r"\[\[tasks\]\] my_shop\.mood makes the task 'mood', for which the catalogue has no la"
    ):
        build_model(read_recipe(site.folder / "mood.toml"), toy(train=20, test=5).data.catalog)


def test_recipes_that_are_not_there_are_listed_with_the_reason(site) -> None:
    site.install("my-shop", "1.2", {"recipes": {"mine": "my_shop.recipes"}})

    [mine] = [member for member in members("recipes") if member.name == "mine"]
    assert (mine.origin, mine.description) == ("my-shop 1.2", "")
    assert mine.problem.startswith("my-shop 1.2 names the package 'my_shop.recipes' for recipes, which is not there.")
    with pytest.raises(BadPlugin, match="which is not there"):
        find_recipe("mine", "any")
