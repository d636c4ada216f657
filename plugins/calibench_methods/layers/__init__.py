"""Torch modules that methods put into a network. They load when first used, because a method's file imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench.lazy import exports

if TYPE_CHECKING:
    from calibench_methods.layers.clipped_head import ClippedHead as ClippedHead
    from calibench_methods.layers.laplace_head import LaplaceHead as LaplaceHead
    from calibench_methods.layers.laplace_head import laplace_library as laplace_library
    from calibench_methods.layers.masked_layer import MaskedLayer as MaskedLayer
    from calibench_methods.layers.masked_layer import masked_layers as masked_layers
    from calibench_methods.layers.masked_layer import masks as masks
    from calibench_methods.layers.mean_field_head import MeanFieldHead as MeanFieldHead
    from calibench_methods.layers.member_layer import MemberLayer as MemberLayer
    from calibench_methods.layers.member_layer import member_layers as member_layers
    from calibench_methods.layers.packed_layer import PACKED as PACKED
    from calibench_methods.layers.packed_layer import PackedLayer as PackedLayer
    from calibench_methods.layers.packed_layer import narrow as narrow
    from calibench_methods.layers.packed_layer import packed_layers as packed_layers
    from calibench_methods.layers.random_features import GaussianProcessHead as GaussianProcessHead
    from calibench_methods.layers.random_features import RandomFeatures as RandomFeatures
    from calibench_methods.layers.variational_head import VariationalHead as VariationalHead
    from calibench_methods.layers.vbll_head import VBLLHead as VBLLHead

__getattr__ = exports(
    __name__,
    {
        "calibench_methods.layers.clipped_head": ("ClippedHead",),
        "calibench_methods.layers.laplace_head": ("LaplaceHead", "laplace_library"),
        "calibench_methods.layers.masked_layer": ("MaskedLayer", "masked_layers", "masks"),
        "calibench_methods.layers.mean_field_head": ("MeanFieldHead",),
        "calibench_methods.layers.member_layer": ("MemberLayer", "member_layers"),
        "calibench_methods.layers.packed_layer": ("PACKED", "PackedLayer", "narrow", "packed_layers"),
        "calibench_methods.layers.random_features": ("GaussianProcessHead", "RandomFeatures"),
        "calibench_methods.layers.variational_head": ("VariationalHead",),
        "calibench_methods.layers.vbll_head": ("VBLLHead",),
    },
)
