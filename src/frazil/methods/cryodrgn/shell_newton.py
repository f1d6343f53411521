"""Newton's steps of a mean volume and its components, whose likelihood curves alike all over a Fourier shell."""

import math

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor, nn

from frazil.geometry import shell_average, shell_index

_EARLY = 6  # steps, by which the first are shorter
_RECENT = 0.05  # weight of a batch in what is known of the curvature, at least
_PRIOR = 0.001  # of the mean's power in a shell, which each component has there beforehand
_TINY = 1e-20  # of power


class ShellNewton(torch.optim.Optimizer):
    """The n-th step goes the n-th part of the way to what its batch alone would have: in the end all count alike.

    Stepwise expectation-maximisation (Cappe & Moulines, J. R. Stat. Soc. B 71:593, 2009), by the gradient in the place
    of sums over the images. Before each step the group's `moments` has to be set to the batch's
    (`ImageModel.moments`). The rate is the least part of the way.
    """

    def __init__(self, volumes: nn.Parameter, support: Bool[Tensor, "side side side"], box: int, images: int) -> None:
        """For volumes (the mean first) that are 0 beyond the support, of `images` of `box` pixels a side."""
        super().__init__([volumes], {"lr": 0.0, "moments": ()})
        self._support, self._box, self._images = support, box, images

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Down the gradients of the likelihood and of the prior."""
        (group,) = self.param_groups
        (volumes,) = group["params"]
        moments, shown = group["moments"]
        if not shown.any():
            return  # nothing is known of the noise yet
        self._support = self._support.to(volumes.device)  # to which the model may have gone since
        state, side = self.state[volumes], volumes.shape[-1]
        taken = state["taken"] = state.get("taken", 0) + 1
        part = max(group["lr"], 1 / (_EARLY + taken))
        for name, batch in (("moments", moments), ("shown", shown)):
            known = state.setdefault(name, batch.clone())
            known += max(part, _RECENT) * (batch - known)
        spectrum, slope = (torch.fft.rfftn(each, dim=(1, 2, 3)) for each in (volumes, volumes.grad))
        prior = 1 / (self._images * _PRIOR * _power(spectrum)[0]).clamp(min=_TINY).repeat(len(volumes), 1)
        prior[0] = 0.0
        curvature = state["moments"].diagonal()[:, None] * self._shared_out(state["shown"]) + prior
        slope += side**3 * _on_grid(prior, side) * spectrum
        way = slope / side**3 * _on_grid(torch.where(curvature > 0, 1 / curvature, 0.0), side)
        spectrum -= part * way
        if taken == 1:  # chance, which the prior colours
            wanted = _PRIOR * _power(way)[:1]
            spectrum[1:] *= _on_grid((wanted / _power(spectrum)[1:].clamp(min=_TINY)).sqrt(), side)
        turn = _standardising(state["moments"])
        state["moments"] = turn @ state["moments"] @ turn.mT
        spectrum = torch.tensordot(torch.linalg.inv(turn).mT.to(spectrum), spectrum, dims=1)
        volumes.copy_(self._support * torch.fft.irfftn(spectrum, (side,) * 3, dim=(1, 2, 3)))

    def _shared_out(self, shown: Float[Tensor, " shells"]) -> Float[Tensor, " shells_of_side"]:
        """What a shell of the images curves the loss by, for each voxel of the volumes' spectra there."""
        side = self._support.shape[-1]
        radius = torch.arange(side // 2 + 1, device=shown.device)
        shell = (radius * self._box / side).round().long().clamp(1, len(shown) - 1)
        voxels = 4 * math.pi * radius.square() * side / self._box + 1
        return shown[shell] / voxels / self._box**2


def _standardising(moments: Float[Tensor, "volumes volumes"]) -> Float[Tensor, "volumes volumes"]:
    """To latents of mean 0 and variance 1, which would come about by themselves, but slowly; nothing else changes.

    Source: parameter expansion (Liu, Rubin & Wu, Biometrika 85:755, 1998).
    """
    offset = moments[1:, 0]
    turn = torch.eye(len(moments)).to(moments)
    turn[1:, 0] = -offset
    turn[1:] /= (moments.diagonal()[1:] - offset.square()).sqrt()[:, None]
    return turn


def _power(spectrum: Complex[Tensor, "volumes side side half"]) -> Float[Tensor, "volumes shells"]:
    return shell_average(spectrum.abs().square(), spectrum.shape[-2], ndim=3)


def _on_grid(values: Float[Tensor, "volumes shells"], side: int) -> Float[Tensor, "volumes side side half"]:
    """Each voxel of a half spectrum has its shell's value, the corners' that of the last."""
    return values[:, shell_index(side, 3, device=values.device).clamp(max=side // 2)]
