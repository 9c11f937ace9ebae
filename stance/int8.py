"""Linear layers in 8-bit integers: torch's oneDNN kernels.

A weight's scale is that of its output, a vector's scale its own, so that no result depends on the vectors beside it
(LLM.int8 of Dettmers et al. 2022, https://arxiv.org/abs/2208.07339, calls this vector-wise).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_ZERO = 128
_LOWEST_GELU = -0.17
# Pieces that a large part of a layer's input is cut into; inputs after GELU that are left in float32.
_COPIES, _STRONG = 6, 2


class Int8Linear(nn.Module):
    """A linear layer, with or without GELU after it.

    Parts of the input that are far larger than the others would make their steps too coarse. They are cut into
    `_COPIES` pieces, for which the weights are there as often (outlier channel splitting of Zhao et al. 2019,
    https://arxiv.org/abs/1901.09504); here the pieces add up to exactly the rounded whole.
    """

    takes = torch.float32

    def __init__(self, weight: Tensor, bias: Tensor, *, large: Tensor | None = None, gelu: bool = False) -> None:
        """Quantise weights `(out, in)`; `large` names the parts of the input that are cut into pieces."""
        super().__init__()
        self.large, self.bias, self.gelu = large, bias, gelu
        if large is not None:
            weight = torch.cat([weight, weight[:, large].repeat_interleave(_COPIES, 1)], 1)
        self.product = Product(weight)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map `(…, in)` to `(…, out)`, both float32."""
        rows = vectors.reshape(-1, vectors.shape[-1])
        size = rows.abs()
        if self.large is None:
            scale = size.amax(1, keepdim=True).clamp_(min=1e-12) / 127
            whole = (rows * scale.reciprocal()).round_()
        else:
            pieces = size[:, self.large] / _COPIES
            size.index_fill_(1, self.large, 0)
            largest = torch.maximum(size.amax(1, keepdim=True), pieces.amax(1, keepdim=True))
            scale = largest.clamp_(min=1e-12) / 127
            whole = (rows * scale.reciprocal()).round_()
            # Hermite's identity: for a whole number n, floor((n + i) / k) over i below k adds up to n.
            pieces = (whole[:, self.large, None] + torch.arange(_COPIES)).div_(_COPIES).floor_().flatten(1)
            whole.index_fill_(1, self.large, 0)
            whole = torch.cat([whole, pieces], 1)
        mapped = torch.addcmul(self.bias, self.product(whole, _ZERO), scale).reshape(*vectors.shape[:-1], -1)
        return functional.gelu(mapped) if self.gelu else mapped


class Int8AfterGelu(nn.Module):
    """A linear layer over what GELU gives: as good as nothing is below zero.

    A few of its inputs have weights so much larger than the others' that they are multiplied in float32.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """Quantise weights `(out, in)`."""
        super().__init__()
        self.apart = weight.abs().amax(0).topk(_STRONG).indices
        self.kept = weight[:, self.apart].T.contiguous()
        self.product = Product(weight.index_fill(1, self.apart, 0))
        self.bias = bias + _LOWEST_GELU * self.product.sums

    def forward(self, vectors: Tensor) -> Tensor:
        """Map `(…, in)` to `(…, out)`, both float32; the vectors given are changed."""
        rows = vectors.reshape(-1, vectors.shape[-1])
        added = self.bias
        for vector, weights in zip(rows[:, self.apart].T, self.kept, strict=True):
            # One by one: the last bits of a matrix product would depend on the number of rows.
            added = torch.addcmul(added, vector[:, None], weights)
        rows.index_fill_(1, self.apart, 0)
        scale = (rows.amax(1, keepdim=True) - _LOWEST_GELU) / 255
        finer = scale.reciprocal()
        whole = (rows * finer).sub_(_LOWEST_GELU * finer + _ZERO).round_()
        return torch.addcmul(added, self.product(whole, 0), scale).reshape(*vectors.shape[:-1], -1)


class Product:
    """The weights of a product, rounded to 8 bits by output."""

    def __init__(self, weight: Tensor) -> None:
        """Round weights `(out, in)`."""
        self.scale = (weight.abs().amax(1) / _largest()).clamp(min=torch.finfo(torch.float32).tiny)
        whole = (weight / self.scale[:, None]).round()
        self.sums = self.scale * whole.sum(1)
        self.packed = torch.ops.onednn.qlinear_prepack(whole.to(torch.int8), None)
        self.zeros = torch.zeros(len(weight), dtype=torch.int32)

    def __call__(self, whole: Tensor, zero: int) -> Tensor:
        """Multiply whole numbers from -128 to 127, `(rows, in)`, in float32, where `zero - 128` stands for none."""
        # By way of int8: torch has no fast way from float to uint8.
        eight = whole.to(torch.int8).view(torch.uint8).bitwise_xor_(_ZERO)
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            eight, 1.0, zero, self.packed, self.scale, self.zeros, None, 1.0, 0, torch.float32, "none", [], "none"
        )
        return product


def _largest() -> int:
    """The largest weight: without VNNI two products are added in 16 bits, which must not overflow."""
    return 127 if torch.cpu._is_vnni_supported() else 63
