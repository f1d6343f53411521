"""Networks: tensors in, tensors out, no microscope."""

from frazil.nets.critic import ConvCritic, copy_matching, halvings
from frazil.nets.frequency_encoding import EncodingKind, FrequencyEncoding
from frazil.nets.residual_mlp import residual_mlp

__all__ = ["ConvCritic", "EncodingKind", "FrequencyEncoding", "copy_matching", "halvings", "residual_mlp"]
