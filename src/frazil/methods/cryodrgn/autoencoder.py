"""The published autoencoder of particles: networks that guess an image's latent, and a latent's volume.

Zhong, Bepler, Davis & Berger, ICLR 2020; Nat. Methods 18:176, 2021. The image's spectrum is C S P_R V(z) + noise, with
pose and lens known; the encoder guesses the latent z, the decoder is V.
"""

from jaxtyping import Complex, Float
from torch import Tensor, nn

from frazil.methods.cryodrgn.centred import CentredImages
from frazil.methods.cryodrgn.decoder import CoordinateDecoder
from frazil.methods.cryodrgn.image_model import ImageModel, Latents


class Autoencoder(ImageModel):
    """Encoder and decoder of one set of images."""

    exact = False

    def __init__(self, encoder: nn.Module | None, decoder: CoordinateDecoder) -> None:
        """Without an encoder there is one structure alone."""
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(
        self, images: CentredImages, frequency: Float[Tensor, "points xy"], precision: Float[Tensor, " points"]
    ) -> Latents:
        if self.encoder is None:
            nothing = images.ctf.new_zeros(len(images), 0)
            return Latents(nothing, nothing)
        mean, log_variance = self.encoder(images.pixels).to(images.pixels).chunk(2, dim=-1)
        return Latents(mean, log_variance)

    def expect(
        self, latent: Float[Tensor, "batch latent"], images: CentredImages, frequency: Float[Tensor, "points xy"]
    ) -> Complex[Tensor, "batch points"]:
        return images.ctf * self.decoder.slices(latent, images.rotation, frequency)

    def volume(self, latent: Float[Tensor, " latent"]) -> Float[Tensor, "box box box"]:
        return self.decoder.volume(latent)
