"""CryoGAN: a map from particles with unknown poses, by matching distributions."""

from frazil.methods.cryogan.config import CryoGANConfig, Stage, published_recipe
from frazil.methods.cryogan.half import HalfReconstruction
from frazil.methods.cryogan.method import CryoGAN
from frazil.methods.cryogan.simulator import HalfConditions

__all__ = ["CryoGAN", "CryoGANConfig", "HalfConditions", "HalfReconstruction", "Stage", "published_recipe"]
