"""The model that a configuration asks for."""

from frazil.methods.cryodrgn.autoencoder import Autoencoder
from frazil.methods.cryodrgn.config import CryoDRGNConfig
from frazil.methods.cryodrgn.decoder import CoordinateDecoder
from frazil.methods.cryodrgn.image_model import ImageModel
from frazil.methods.cryodrgn.linear_model import LinearModel
from frazil.nets import FrequencyEncoding, residual_mlp


def new_model(config: CryoDRGNConfig, box: int, radius: float, pixels: int, images: int) -> ImageModel:
    """For `images` of `box` pixels a side, of which an encoder is shown `pixels`; `radius` of the particle in pixels.

    What is random in it comes from the global generator.
    """
    if config.decoder == "linear":
        return LinearModel(box, radius, config.latent_dim, config.divergence_weight, images)
    outputs = 2 * config.latent_dim
    encoder = residual_mlp(pixels, config.encoder_width, config.encoder_depth, outputs) if outputs else None
    encoding = FrequencyEncoding(box, config.encoding, config.encoding_sigma)
    network = CoordinateDecoder(box, encoding, config.latent_dim, config.decoder_width, config.decoder_depth)
    return Autoencoder(encoder, network)
