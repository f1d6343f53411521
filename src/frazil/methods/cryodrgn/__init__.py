"""cryoDRGN: continuous distributions of structures from particle images (Zhong et al., ICLR 2020)."""

from frazil.methods.cryodrgn.config import CryoDRGNConfig
from frazil.methods.cryodrgn.method import CryoDRGN, Split
from frazil.methods.cryodrgn.model import Latents

__all__ = ["CryoDRGN", "CryoDRGNConfig", "Latents", "Split"]
