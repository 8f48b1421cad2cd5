import pytest

import hiersrec.errors
from hiersrec.errors import HiersrecError, MissingExtra, did_you_mean, named_extras


def test_every_error_is_in_the_tree_and_is_a_hiersrec_error() -> None:
    result = [
        value for value in vars(hiersrec.errors).values() if isinstance(value, type) and issubclass(value, Exception)
    ]

    assert len(result) > 5
    assert all(issubclass(error, HiersrecError) for error in result)
    assert all(f" {error.__name__} " in str(hiersrec.errors.__doc__) for error in result)


def test_of_several_extras_the_smallest_that_helps_is_named() -> None:
    for first, extra in (((), "train"), (("batch",), "batch")):
        with pytest.raises(MissingExtra) as error, named_extras(*first):
            raise ModuleNotFoundError(name="pyarrow.parquet")
        assert f"pip install '.[{extra}]'" in str(error.value)


def test_the_nearest_name_comes_first_and_all_are_named() -> None:
    assert did_you_mean("nram", ["stamp", "narm"]) == "Did you mean 'narm'? Known: narm, stamp."


def test_a_name_like_none_gets_no_guess() -> None:
    assert did_you_mean("xyz", ["stamp", "narm"]) == "Known: narm, stamp."
    assert did_you_mean("xyz", []) == "Known: none."


def test_a_missing_extra_names_the_install_line() -> None:
    expected = (
        "This needs the package 'faiss', which is not installed. "
        "In the folder of your hiersrec checkout, run: pip install '.[ann]' "
        "(with a wheel, its path takes the place of the dot)"
    )

    assert str(MissingExtra("faiss", "ann")) == expected
