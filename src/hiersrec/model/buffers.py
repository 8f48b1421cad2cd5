"""Tensors that follow from the catalogue: a run folder holds the catalogue, so its weights need no second copy."""

from torch import Tensor, nn


def register_constant(module: nn.Module, name: str, value: Tensor | None) -> None:
    """Give `module` a buffer that moves with it and is not saved; files of weights that hold it are read all the same.

    Weights that hold no copy of the catalogue fit a catalogue to which items were added.
    """
    module.register_buffer(name, value, persistent=False)

    def pass_over(_: nn.Module, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
        del rest
        state.pop(prefix + name, None)

    module.register_load_state_dict_pre_hook(pass_over)  # type: ignore[no-untyped-call]
