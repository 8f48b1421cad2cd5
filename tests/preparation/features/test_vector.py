"""Ready vectors, of a column or a file."""

import numpy as np
import pyarrow as pa
import pytest

from hiersrec.errors import BadInput
from hiersrec.preparation.features import vector
from hiersrec.types import Float32


def item(row: int) -> str:
    return f"item '{row}'"


def rows(*given: list[float] | None) -> list[Float32 | None]:
    return [None if row is None else np.array(row, np.float32) for row in given]


def test_vectors_are_brought_to_length_1():
    values = rows([3, 4], None, [0, 1e-30], [-6e30, 8e30])
    codebook = vector.fit(values)
    result = vector.apply(codebook, values)

    assert codebook == {"width": 2}
    np.testing.assert_allclose(result, [[0.6, 0.8], [0, 0], [0, 1], [-0.6, 0.8]], rtol=1e-6)
    assert result.dtype == np.float32


def test_no_vector_at_all_is_an_error():
    with pytest.raises(BadInput, match="no item of the catalogue has a vector"):
        vector.fit(rows(None, None))


def test_later_vectors_must_be_as_wide():
    codebook = vector.fit(rows([1, 2]))

    assert vector.apply(codebook, rows(None)).tolist() == [[0, 0]]
    with pytest.raises(
        BadInput, match=r"vectors of 3 numbers, where the catalogue has 2. Give vectors made in the same"
    ):
        vector.apply(codebook, rows(None, [1, 2, 3]))


TYPES = [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float16()), pa.list_(pa.int16()),
         pa.list_(pa.float32(), 2)]  # fmt: skip


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_rows_of_every_type_of_list(type_):
    empty = None if pa.types.is_fixed_size_list(type_) else []
    # Two chunks, the first one a slice: nothing may depend on where a chunk begins.
    given = pa.chunked_array([pa.array([[9, 9], [1, 2], None], type_)[1:], pa.array([[0, 0], empty, [3, 4]], type_)])

    result = vector.plain("image", given, item)

    assert [None if row is None else row.tolist() for row in result] == [[1, 2], None, None, None, [3, 4]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[1.0, 2], [1.0]], "'image': item '1' has a vector of 1 numbers, those before it have 2"),
        ([None, [1.0, float("nan")]], "the vector of item '1' holds nan. Numbers must be finite"),
        ([[1e300, 1.0]], "the vector of item '0' holds inf"),
        ([[1.0, None]], "the vector of item '0' holds nan"),
    ],
)
def test_rows_that_are_no_vectors_are_refused(given, message):
    with pytest.raises(BadInput) as error:
        vector.plain("image", pa.chunked_array([pa.array(given, pa.list_(pa.float64()))]), item)

    assert message in str(error.value)


@pytest.mark.parametrize("dtype", ["float32", "float64", ">f4", "float16", "int64"])
def test_a_file_is_read_row_by_row(tmp_path, dtype):
    array = np.arange(6).reshape(3, 2).astype(dtype)
    np.save(tmp_path / "v.npy", array)

    result = vector.read("image", tmp_path / "v.npy", 3)

    assert result.to_pylist() == array.tolist()
    assert result.type == pa.list_(pa.float32(), 2)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 2)), "v.npy, named by --vectors image, has 4 rows, the items table 3"),
        (np.zeros(3), "holds float64 of shape (3,). It must hold numbers of shape (rows, width)"),
        (np.zeros((3, 0)), "holds float64 of shape (3, 0)"),
        (np.array([["a"]] * 3), "holds <U1 of shape (3, 1)"),
        (None, "v.npy, named by --vectors, is not a .npy file of numbers"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, array, message):
    if array is None:
        (tmp_path / "v.npy").write_bytes(b"")
    else:
        np.save(tmp_path / "v.npy", array)

    with pytest.raises(BadInput) as error:
        vector.read("image", tmp_path / "v.npy", 3)

    assert message in str(error.value)


def test_an_archive_of_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "v.npz", a=np.zeros((3, 2)))

    with pytest.raises(BadInput, match="holds several arrays"):
        vector.read("image", tmp_path / "v.npz", 3)
