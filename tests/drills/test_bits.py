"""A few tries of the drill."""

import pytest

from tests.drills.bits import drill


@pytest.mark.slow
def test_flipped_bits_are_noticed_and_told(tmp_path, toy_bundle) -> None:
    rows = list(drill(12, tmp_path, toy_bundle.parent))

    assert [(row.target, row.tries) for row in rows] == [
        (name, 12) for name in ("dataset", "run", "bundle", "training")
    ]
    assert [row.failures for row in rows] == [[]] * 4
