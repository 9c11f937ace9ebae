"""Linear layers in 16-bit floats (bfloat16), for CPUs that multiply them: torch's oneDNN kernels."""

import torch
from torch import Tensor, nn

_ROWS = 1024  # for how many rows the weights are laid out; any number will do


class Bf16Linear(nn.Module):
    """A linear layer, with or without GELU after it; sums are kept in float32 until all is added up."""

    takes = torch.bfloat16

    def __init__(self, weight: Tensor, bias: Tensor, *, gelu: bool = False, short: bool = False) -> None:
        """Lay out weights `(out, in)` and bias `(out,)`; `short`: what comes out stays in bfloat16."""
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.bfloat16(), _ROWS)
        self.bias = bias.bfloat16()
        self.after = ("gelu", "none") if gelu else ("none", "")
        self.short = short

    def forward(self, vectors: Tensor) -> Tensor:
        """Map `(…, in)` to `(…, out)`, float32 or, if short, bfloat16."""
        name, kind = self.after
        mapped: Tensor = torch.ops.mkldnn._linear_pointwise(vectors.bfloat16(), self.packed, self.bias, name, [], kind)
        return mapped if self.short else mapped.float()
