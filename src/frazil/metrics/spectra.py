"""How far the power spectra of two sets of images are apart."""

from jaxtyping import Float
from torch import Tensor

from frazil.geometry import fourier_transform, shell_average


def log_power(images: Float[Tensor, "batch box box"]) -> Float[Tensor, "batch shells"]:
    """Logarithm of each image's radial power spectrum, without its mean: from the first shell to Nyquist's."""
    box = images.shape[-1]
    centred = images - images.mean((-1, -2), keepdim=True)
    power = shell_average(fourier_transform(centred).abs().square() / box**2, box)
    return power[:, 1:].clamp(min=1e-12).log()


def spectrum_distance(real: Float[Tensor, "real box box"], other: Float[Tensor, "other box box"]) -> float:
    """Root mean square difference, over the shells, of the mean log power spectra: 0.1 is ten percent of the power."""
    gap = log_power(real).mean(0) - log_power(other).mean(0)
    return float(gap.square().mean().sqrt())
