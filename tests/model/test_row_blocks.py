import pytest
import torch

from hiersrec.model.row_blocks import MOST, NUMBERS, blocks


@pytest.mark.parametrize(
    ("rows", "width", "count"),
    [
        (0, 4, 0),
        (5, 0, 1),
        (NUMBERS // 256, 256, 1),
        (NUMBERS // 256 + 1, 256, 2),
        (3, 2 * NUMBERS, 3),
        (MOST * NUMBERS // 256, 256, MOST),
        (20_000_000, 256, MOST),
    ],
)
def test_blocks_are_all_rows_once_in_order(rows, width, count) -> None:
    slices = list(blocks(torch.empty(1).expand(rows, width)))

    assert len(slices) == count
    assert [*(block.start for block in slices), rows] == [0, *(block.stop for block in slices)]
