"""Every kind of metadata keeps the contract of hiersrec.testing."""

import pyarrow as pa
import pytest

from hiersrec import registry
from hiersrec.preparation.settings import Metadata
from hiersrec.preparation.values import FOLDER
from hiersrec.testing.metadata import CHECKS
from tests.preparation.test_encode import COLUMNS, MINILM

MODEL = Metadata(text_vectors=("x",), text_encoder=str(MINILM))
KINDS = [*COLUMNS, pytest.param("pretrained", marks=pytest.mark.slow)]


def test_the_walk_finds_them() -> None:
    assert {*COLUMNS, "pretrained"} == set(registry.own_names(FOLDER))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract(name, check) -> None:
    values = COLUMNS["text" if name == "pretrained" else name]
    check(name, pa.chunked_array([pa.array(values)]), MODEL if name == "pretrained" else Metadata())
