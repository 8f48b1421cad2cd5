"""GRU layers in an exported graph. Tracing torch's own would fix the session length; ONNX has a GRU.

ONNX orders the gates update, reset, new where torch has reset, update, new, and has time as the first dimension. Both,
with `linear_before_reset`, reset after the product with the recurrent weights: onnx.ai/onnx/operators/onnx__GRU.html,
docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

NAME = "hiersrec::gru"

# Never run: the exporter needs its shape and replaces it.
torch.library.define(NAME, "(Tensor x, Tensor w, Tensor r, Tensor b, int width) -> Tensor")


@torch.library.register_fake(NAME)  # type: ignore[untyped-decorator]
def _shape(x: Tensor, w: Tensor, r: Tensor, b: Tensor, width: int) -> Tensor:
    del w, r, b
    return x.new_empty(x.shape[0], x.shape[1], width)


class OnnxGru(nn.Module):
    """Stands for a torch.nn.GRU (batch first, one direction, from a state of zeros) while a model is exported."""

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        assert gru.batch_first
        assert not gru.bidirectional
        self.width, self.layers = gru.hidden_size, gru.num_layers
        for layer in range(self.layers):
            biases = torch.cat([_onnx_gates(gru, f"bias_{kind}_l{layer}") for kind in ("ih", "hh")])  # (6 D,)
            for name, value in (
                ("w", _onnx_gates(gru, f"weight_ih_l{layer}")),
                ("r", _onnx_gates(gru, f"weight_hh_l{layer}")),
                ("b", biases),
            ):
                self.register_buffer(f"{name}_{layer}", value[None])

    def forward(self, vectors: Tensor) -> tuple[Tensor, None]:
        """(B, T, D) -> states (B, T, D) of the last layer, and None where torch has the last state."""
        for layer in range(self.layers):
            weights = [self.get_buffer(f"{name}_{layer}") for name in "wrb"]
            vectors = torch.ops.hiersrec.gru(vectors, *weights, self.width)
        return vectors, None


def _onnx_gates(gru: nn.GRU, name: str) -> Tensor:
    """Weights or biases (3 D, ...) with the gates in ONNX's order."""
    reset, update, new = cast("Tensor", getattr(gru, name)).detach().chunk(3)
    return torch.cat([update, reset, new])


def without_torch_gru(model: nn.Module) -> None:
    """Replace each torch.nn.GRU of the model by an OnnxGru."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.GRU):
                setattr(parent, name, OnnxGru(child))


def translation() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What the exporter writes in its place: ONNX's GRU of one layer, transposed from and to batch first."""
    from onnxscript import opset18 as op

    direction: Any = [1]  # of (T, 1, B, D)

    def gru(x: Any, w: Any, r: Any, b: Any, width: int) -> Any:
        states, _ = op.GRU(op.Transpose(x, perm=[1, 0, 2]), w, r, b, hidden_size=width, linear_before_reset=1)
        return op.Transpose(op.Squeeze(states, direction), perm=[1, 0, 2])

    return {torch.ops.hiersrec.gru.default: gru}
