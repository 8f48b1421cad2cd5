import numpy as np
import torch

from hiersrec.model.pooling import average


def test_the_mean_of_the_real_positions() -> None:
    states = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    lengths = [1, 4, 2]
    mask = torch.arange(4) < torch.tensor(lengths)[:, None]

    found = average(states, mask)

    expected = [
        [sum(states[row, at, column].item() for at in range(length)) / length for column in range(2)]
        for row, length in enumerate(lengths)
    ]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_what_stands_at_padding_does_not_count() -> None:
    states = torch.tensor([[[1.0], [3.0], [1e30]]])

    assert average(states, torch.tensor([[True, True, False]])).tolist() == [[2.0]]
