"""An autoencoder of particles: what an image says of its structure, and what the structure says of the image.

Zhong, Bepler, Davis & Berger, ICLR 2020; Nat. Methods 18:176, 2021. The image's spectrum is C S P_R V(z) + noise, with
pose and lens known; the encoder guesses the latent z, the decoder is V.
"""

from dataclasses import dataclass

from jaxtyping import Complex, Float
from torch import Tensor, nn

from frazil.geometry import Batched
from frazil.methods.cryodrgn.centred import CentredImages
from frazil.methods.cryodrgn.config import CryoDRGNConfig
from frazil.methods.cryodrgn.decoder import BasisDecoder, CoordinateDecoder, FourierDecoder
from frazil.nets import FrequencyEncoding, residual_mlp


@dataclass(frozen=True)
class Latents(Batched):
    """What the encoder makes of images: a normal distribution of each one's latent."""

    mean: Float[Tensor, "batch latent"]
    log_variance: Float[Tensor, "batch latent"]

    def sample(self, noise: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch latent"]:
        """The draw from each that standard normal noise makes."""
        return self.mean + (0.5 * self.log_variance).exp() * noise


class Autoencoder(nn.Module):
    """Encoder and decoder of one set of images."""

    def __init__(self, encoder: nn.Module | None, decoder: FourierDecoder) -> None:
        """Without an encoder there is one structure alone."""
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(self, images: CentredImages) -> Latents:
        """Each image's latent."""
        if self.encoder is None:
            nothing = images.ctf.new_zeros(len(images), 0)
            return Latents(nothing, nothing)
        mean, log_variance = self.encoder(images.pixels).to(images.pixels).chunk(2, dim=-1)
        return Latents(mean, log_variance)

    def expect(
        self,
        latent: Float[Tensor, "batch latent"],
        images: CentredImages,
        frequency: Float[Tensor, "points xy"],
    ) -> Complex[Tensor, "batch points"]:
        """The spectrum that each latent's structure should show in the image's place."""
        return images.ctf * self.decoder.slices(latent, images.rotation, frequency)


def autoencoder(config: CryoDRGNConfig, box: int, radius: float, pixels: int) -> Autoencoder:
    """The networks for images of `box` pixels a side, of which the encoder is shown `pixels`; `radius` in pixels.

    What is random in them comes from the global generator.
    """
    outputs = 2 * config.latent_dim
    encoder = residual_mlp(pixels, config.encoder_width, config.encoder_depth, outputs) if outputs else None
    if config.decoder == "basis":
        return Autoencoder(encoder, BasisDecoder(box, radius, config.latent_dim, config.rank, config.decoder_width))
    encoding = FrequencyEncoding(box, config.encoding, config.encoding_sigma)
    network = CoordinateDecoder(box, encoding, config.latent_dim, config.decoder_width, config.decoder_depth)
    return Autoencoder(encoder, network)
