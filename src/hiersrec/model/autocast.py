"""The precision of matrix products."""

import torch
from torch import Tensor


def product_dtype(vectors: Tensor, otherwise: torch.dtype = torch.float32) -> torch.dtype:
    """Autocast's dtype where it is on for the device of the vectors, else `otherwise`."""
    kind = vectors.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else otherwise
