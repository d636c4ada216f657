"""Torch modules that methods put into a network. They load when first used, because a method's file imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench.lazy import exports

if TYPE_CHECKING:
    from calibench_methods.layers.laplace_head import LaplaceHead as LaplaceHead
    from calibench_methods.layers.laplace_head import laplace_library as laplace_library
    from calibench_methods.layers.mean_field_head import MeanFieldHead as MeanFieldHead
    from calibench_methods.layers.member_layer import MemberLayer as MemberLayer
    from calibench_methods.layers.member_layer import member_layers as member_layers
    from calibench_methods.layers.variational_head import VariationalHead as VariationalHead
    from calibench_methods.layers.vbll_head import VBLLHead as VBLLHead

__getattr__ = exports(
    __name__,
    {
        "calibench_methods.layers.laplace_head": ("LaplaceHead", "laplace_library"),
        "calibench_methods.layers.mean_field_head": ("MeanFieldHead",),
        "calibench_methods.layers.member_layer": ("MemberLayer", "member_layers"),
        "calibench_methods.layers.variational_head": ("VariationalHead",),
        "calibench_methods.layers.vbll_head": ("VBLLHead",),
    },
)
