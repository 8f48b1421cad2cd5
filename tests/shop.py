"""A shop of two aisles as CSV files, for tests of the whole way."""

from pathlib import Path

import numpy as np

TINY = [
    *("inputs.item_width=8", "inputs.category_width=4", "inputs.metadata_width=4"),
    *("encoder.layers=1", "encoder.heads=2", "training.batch_size=64"),
]
"""Settings of the recipe hiersrec under which a training takes no time."""


def write_shop(folder: Path, sessions: int = 120) -> Path:
    """events.csv and items.csv: 12 items, half of them in each aisle; a session stays in its aisle.

    The last twelfth of the sessions holds new items, one inside and in every other session one at the end.
    """
    random = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    events = ["session_id,item_id,timestamp"]
    for session in range(sessions):
        aisle, start, length = session % 2, random.integers(6), random.integers(2, 8)
        items = [f"i{aisle * 6 + (start + at) % 6}" for at in range(length)]
        if session >= sessions * 11 // 12:
            items.insert(1, f"new{session}")
            items += [f"newer{session}"] * (session % 2)
        time = 1_600_000_000 + session * 86_400 // 4
        events += [f"s{session},{item},{time + at}" for at, item in enumerate(items)]
    items = ["item_id,title,category_1,category_2"]
    items += [
        f"i{n},Thing {n},{'Fruit' if n < 6 else 'Tools'},{'Fruit' if n < 6 else 'Tools'} {n % 2}" for n in range(12)
    ]
    (folder / "events.csv").write_text("\n".join(events) + "\n", encoding="utf-8")
    (folder / "items.csv").write_text("\n".join(items) + "\n", encoding="utf-8")
    return folder
