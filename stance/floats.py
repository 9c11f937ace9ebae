"""Linear layers in 32-bit or 16-bit floats: torch's oneDNN kernels, or those of MKL where they are faster."""

import torch
from torch import Tensor, nn
from torch.nn import functional

_ROWS = 1024  # for how many rows the weights are laid out; any number will do


def multiplies_bf16() -> bool:
    """Say whether this processor multiplies 16-bit floats (AVX512-BF16)."""
    return torch.cpu._is_avx512_bf16_supported()


class FloatLinear(nn.Module):
    """A linear layer, with or without GELU after it; sums are kept in float32 until all is added up."""

    def __init__(
        self, weight: Tensor, bias: Tensor, kind: torch.dtype, *, gelu: bool = False, short: bool = False
    ) -> None:
        """Lay out weights `(out, in)` and bias `(out,)` in float32 or bfloat16; `short`: what comes out is so, too."""
        super().__init__()
        self.takes = kind
        self.gelu, self.short = gelu, short
        self.weight, self.bias = weight.to(kind), bias.to(kind)
        # In 32 bits without AVX-512 oneDNN takes 1.15 times as long as MKL, with GELU 1.4 times (docs/performance.md).
        self.plain = kind == torch.float32 and torch.backends.cpu.get_cpu_capability() == "AVX2"
        if not self.plain:
            self.weight = torch.ops.mkldnn._reorder_linear_weight(self.weight, _ROWS)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map `(…, in)` to `(…, out)`, float32 or, if short, as the weights are."""
        mapped: Tensor
        if self.plain:
            mapped = functional.linear(vectors, self.weight, self.bias)
            return functional.gelu(mapped) if self.gelu else mapped
        name, kind = ("gelu", "none") if self.gelu else ("none", "")
        vectors = vectors.to(self.takes)
        mapped = torch.ops.mkldnn._linear_pointwise(vectors, self.weight, self.bias, name, [], kind)
        return mapped if self.short else mapped.float()
