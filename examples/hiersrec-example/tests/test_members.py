from hiersrec.testing import check_baseline, check_encoder, check_metric, check_recipe, check_score_term


def test_decay() -> None:
    check_encoder("decay")


def test_popularity_bonus() -> None:
    check_score_term("popularity_bonus", popularity_bonus=0.5)


def test_first_place() -> None:
    check_metric("first_place")


def test_markov() -> None:
    check_baseline("markov")


def test_recipes() -> None:
    check_recipe("any/decay")
    check_recipe("any/markov")
