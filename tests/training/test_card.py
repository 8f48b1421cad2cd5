from hiersrec.training.card import model_card

DOCUMENT = {
    "recipe": "mine",
    "created": "2030-01-02T03:04:05+00:00",
    "versions": {"hiersrec": "1", "torch": "2"},
    "dataset": {"name": "shop", "path": "data", "fingerprint": "0123456789abcdef"},
    "parameters": 12345,
    "best": {"epoch": 1, "valid_mrr@20": 0.25},
}
EPOCH = {"epoch": 1, "valid": {"mrr@20": 0.25, "hits@20": 0.5}, "train_s": 12.4}


def test_the_card_of_a_model() -> None:
    lines = model_card(DOCUMENT, "What it is.", [EPOCH]).splitlines()

    assert lines[0] == "# mine on shop"
    assert lines[2] == "What it is."
    assert "- Made: 2030-01-02T03:04:05+00:00 with hiersrec 1, torch 2" in lines
    assert "- Dataset: shop, catalogue 0123456789ab" in lines
    assert "- Parameters: 12,345" in lines
    assert lines[-1] == "| 1 | 0.2500 | 0.5000 | 12 |"


def test_a_baseline_that_counts_has_no_epochs_to_show() -> None:
    assert "|" not in model_card(DOCUMENT, "", [])


def test_a_run_that_began_with_another_says_so() -> None:
    facts = {
        "path": "/runs/old",
        "recipe": "mine",
        "dataset": {"name": "shop", "fingerprint": "00"},
        "items": {"known": 3980, "new": 20, "gone": 1},
        "categories": {"known": 0, "new": 0, "gone": 0},
        "new_tensors": ["tasks.event_type.fc.weight"],
    }

    card = model_card({**DOCUMENT, "init_from": facts}, "", [])

    line = "3,980 of 4,000 items known, 20 new, 1 gone; not in the run, so fresh: tasks.event_type.fc.weight"
    assert f"- Began with: mine on shop, /runs/old: {line}\n" in card
    assert "Began with" not in model_card(DOCUMENT, "", [])
