import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hiersrec.baselines
from hiersrec import registry
from hiersrec.errors import UnknownName


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of baselines, replaced by one of two members and a shared helper."""
    before = set(sys.modules)
    for name in ("zebra", "_shared", "apple"):
        (tmp_path / f"{name}.py").write_text(f"NAME = '{name}'\n")
    monkeypatch.setattr(hiersrec.baselines, "__path__", [str(tmp_path)])
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.usefixtures("shelf")
def test_names_are_the_files_sorted_without_helpers() -> None:
    assert registry.names("baselines") == ["apple", "zebra"]


def test_a_new_file_is_found_at_once(shelf: Path) -> None:
    (shelf / "melon.py").write_text("")

    assert registry.names("baselines") == ["apple", "melon", "zebra"]


@pytest.mark.usefixtures("shelf")
def test_load_gives_the_module() -> None:
    assert registry.load("baselines", "zebra").NAME == "zebra"


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("name", ["aple", "_shared", "../apple"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownName, match=rf"No '{name}' in hiersrec/baselines/\. .*Known: apple, zebra\."):
        registry.load("baselines", name)


def test_the_message_names_the_place_of_a_nested_folder() -> None:
    with pytest.raises(UnknownName, match="in hiersrec/model/encoders/"):
        registry.load("model.encoders", "no such encoder")
