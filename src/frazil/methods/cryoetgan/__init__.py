"""CryoETGAN: subtomograms and tomograms that look real."""

from frazil.methods.cryoetgan.config import PUBLISHED, RELEASED, CryoETGANConfig, check_pool
from frazil.methods.cryoetgan.method import CryoETGAN, check_box

__all__ = ["PUBLISHED", "RELEASED", "CryoETGAN", "CryoETGANConfig", "check_box", "check_pool"]
