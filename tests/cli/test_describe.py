import json
import shutil

import pytest

from tests.shop import TINY

pytestmark = pytest.mark.slow

SMALL = ["--recipe", "hiersrec", *(word for setting in TINY for word in ("--set", setting))]


def test_describe_shows_again_what_prepare_showed_and_then_the_memory(hiersrec, shop, prepared, tmp_path) -> None:
    events, items, out = shop / "events.csv", shop / "items.csv", tmp_path / prepared[0].name
    shown = hiersrec("prepare", events, "--items", items, "--out", out, "--split", "last-days:5")

    again = hiersrec("describe", prepared[0])

    assert again.code == 0
    assert again.out.startswith(shown.out)
    assert "training sessions" in again.out
    assert "categories, level 2" in again.out
    assert "2, known for 100.0% of items" in again.out
    memory = again.out.removeprefix(shown.out)
    assert memory.startswith("Estimated memory for training best")
    assert "410 MB" in memory
    assert again.err == ""


def test_json_is_the_document_and_the_memory(hiersrec, prepared) -> None:
    document = json.loads(hiersrec("describe", prepared[0], "--json", *SMALL).out)

    memory = document.pop("training_memory")
    assert document == json.loads((prepared[0] / "dataset.json").read_text(encoding="utf-8"))
    assert memory.pop("recipe") == "hiersrec"
    total = memory.pop("total")
    assert total == sum(memory.values()) - min(memory["step"], memory["validation"])


def test_the_memory_is_that_of_the_recipe_asked_for(hiersrec, prepared) -> None:
    def memory(*flags: str) -> dict[str, int]:
        result = hiersrec("describe", prepared[0], "--json", *flags)
        assert result.code == 0, result.err
        return json.loads(result.out)["training_memory"]

    small, large = memory(*SMALL), memory(*SMALL, "--set", "training.batch_size=128")
    paper = memory(*SMALL, "--recipe", "hiersrec_paper")

    assert small["step"] < large["step"]
    assert paper["recipe"] == "hiersrec_paper"
    assert paper["weights"] > small["weights"]  # an item head of its own


MISTAKES = [
    (["--recipe", "popularity"], "'popularity' has [baseline] popularity. Name another recipe"),
    (["--recipe", "hiersreck"], "Did you mean 'hiersrec'?"),
    (["--recipe", "hiersrec", "--set", "encoder.heads=7"], "[encoder] heads must divide"),
    (["--set", "training.epoch=3"], "Did you mean 'epochs'?"),
]


@pytest.mark.parametrize(("flags", "message"), MISTAKES)
def test_a_recipe_that_does_not_fit_costs_no_statistics(hiersrec, prepared, flags, message) -> None:
    result = hiersrec("describe", prepared[0], *flags)

    assert result.code == 2
    assert message in result.err
    assert "training sessions" in result.out
    assert "memory" not in result.out


def test_a_folder_from_before_coverage_was_counted(hiersrec, prepared, tmp_path) -> None:
    shutil.copytree(prepared[0], tmp_path / "old")
    document = json.loads((tmp_path / "old" / "dataset.json").read_text(encoding="utf-8"))
    del document["statistics"]["category_coverage"], document["seal_sha256"]
    (tmp_path / "old" / "dataset.json").write_text(json.dumps(document), encoding="utf-8")

    result = hiersrec("describe", tmp_path / "old", *SMALL)

    assert result.code == 0
    assert "categories, level 2" in result.out
    assert "known for" not in result.out
