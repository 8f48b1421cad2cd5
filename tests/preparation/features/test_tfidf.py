import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from hiersrec.errors import BadInput
from hiersrec.preparation import codebook
from hiersrec.preparation.features import tfidf
from hiersrec.preparation.features._words import words

TITLES = [
    "Red lamp",
    "red LAMP, large",
    "Desk lamp",
    "oak desk",
    "Oak chair",
    "chair red red",
    "desk desk oak",
    "Alone",
]


def texts(count: int = 60, vocabulary: int = 30, seed: int = 2) -> list[str | None]:
    """Random texts of 1 to 6 words; every seventh is missing."""
    random = np.random.default_rng(seed)
    made = [" ".join(f"w{n}" for n in random.integers(vocabulary, size=random.integers(1, 7))) for _ in range(count)]
    return [None if index % 7 == 6 else text for index, text in enumerate(made)]


def sklearn_vectors(values: list[str], width: int) -> np.ndarray:
    """The same by scikit-learn's own classes."""
    weights = TfidfVectorizer(analyzer=words, min_df=2).fit_transform(values)
    return normalize(TruncatedSVD(width, n_iter=5, random_state=0).fit_transform(weights))


@pytest.mark.parametrize(("values", "width"), [(TITLES, 3), ([text for text in texts() if text], 8)])
def test_it_is_scikit_learns_tfidf_and_truncated_svd(values, width) -> None:
    expected = sklearn_vectors(values, width)

    result = tfidf.apply(tfidf.fit(values, width), values)

    signs = np.sign((result * expected).sum(0))  # a direction of an SVD has no sign
    np.testing.assert_allclose(result, expected * signs, atol=1e-5)


def test_all_directions_keep_every_angle() -> None:
    """Twin: with full width the SVD only turns the TF-IDF rows, which loops over words make here."""
    values = texts()
    learnt = tfidf.fit(values, 1000)
    split = [words(value or "") for value in values]
    known = [text for text in split if text]
    rows = np.zeros((len(values), len(learnt["words"])))
    for item, text in enumerate(split):
        for index, word in enumerate(learnt["words"]):
            holding = sum(word in other for other in known)
            rows[item, index] = text.count(word) * (np.log((1 + len(known)) / (1 + holding)) + 1)
        rows[item] /= max(np.linalg.norm(rows[item]), 1e-9)

    result = tfidf.apply(learnt, values)

    assert len(learnt["components"]) == np.linalg.matrix_rank(rows)
    np.testing.assert_allclose(result @ result.T, rows @ rows.T, atol=1e-5)


def test_missing_and_unknown_texts_are_zeros_and_all_others_have_length_1() -> None:
    learnt = tfidf.fit(TITLES, 3)

    result = tfidf.apply(learnt, [None, "", "nothing known", "Alone", *TITLES[:7]])

    assert result.dtype == np.float32
    assert result.shape == (11, 3)
    assert not result[:4].any()
    np.testing.assert_allclose(np.linalg.norm(result[4:], axis=1), 1, atol=1e-6)


def test_only_words_of_two_items_count() -> None:
    assert tfidf.fit(TITLES)["words"] == ["chair", "desk", "lamp", "oak", "red"]


def test_similar_titles_are_nearer() -> None:
    red, lamp, oak = tfidf.apply(tfidf.fit(TITLES, 3), ["red lamp", "Lamp", "oak chair"])

    assert red @ lamp > red @ oak + 0.3


@pytest.mark.parametrize(
    ("values", "width"), [(["a", "a", "a"], 1), (["a b", "b a"], 1), (["a b", "b a", "a", "a"], 2)]
)
def test_the_width_is_what_the_data_has(values, width) -> None:
    assert tfidf.apply(tfidf.fit(values), values).shape[1] == width


def test_the_width_asked_for_is_the_width_at_most() -> None:
    assert [len(tfidf.fit(texts(), width)["components"]) for width in (2, 5)] == [2, 5]


def test_equal_texts_give_equal_vectors_again_and_one_by_one() -> None:
    values = texts()
    first, second = tfidf.fit(values, 8), tfidf.fit(values, 8)
    whole = tfidf.apply(first, values)

    np.testing.assert_array_equal(first["components"], second["components"])
    for item in (0, 3, 6):
        np.testing.assert_allclose(tfidf.apply(second, [values[item]])[0], whole[item], atol=1e-7)


def test_what_was_learnt_lies_on_disk_as_plain_arrays(tmp_path) -> None:
    learnt = tfidf.fit(TITLES, 3)
    codebook.save(tmp_path, "title", "tfidf", learnt)

    result = tfidf.apply(codebook.load(tmp_path, "title"), TITLES)

    np.testing.assert_array_equal(result, tfidf.apply(learnt, TITLES))


@pytest.mark.parametrize("values", [["one", "two", None], [None, None]])
def test_texts_that_share_no_word_are_refused(values) -> None:
    with pytest.raises(BadInput, match=r"no word occurs in 2 of them.*--ignore"):
        tfidf.fit(values)
