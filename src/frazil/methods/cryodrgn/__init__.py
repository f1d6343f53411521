"""cryoDRGN: continuous distributions of structures from particle images (Zhong et al., ICLR 2020)."""

from frazil.methods.cryodrgn.config import CryoDRGNConfig
from frazil.methods.cryodrgn.image_model import Latents
from frazil.methods.cryodrgn.method import CryoDRGN, Split

__all__ = ["CryoDRGN", "CryoDRGNConfig", "Latents", "Split"]
