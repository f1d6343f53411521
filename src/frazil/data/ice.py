"""How the ice's thickness varies over real micrographs."""

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from skimage.exposure import equalize_hist
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from frazil.data.micrographs import MAD

_BLOCKS = 64  # along the longer side: in the paper's 1,024 px they have 16 px each
_CLUSTERS = 6
_SMOOTH, _WIDE = 1.0, 3.0  # blocks: standard deviations of the blur before and after the clusters are found


def ice_levels(micrograph: Float[Tensor, "y x"]) -> Float[Tensor, "rows columns"]:
    """How bright each block of a micrograph is for its ice, 0 on average, in standard deviations of its pixels' noise.

    Blurred blocks fall into six levels (k-means of their ranks), each block takes the mean of its level, and the steps
    between levels are blurred: Zhang et al. 2024, section 3.1. There the levels may have any contrast; here they have
    the micrograph's own, which its noise is the measure of, for the zero of a micrograph's scale is not known.
    """
    scale = _BLOCKS / max(micrograph.shape)
    rows, columns = (max(2, round(side * scale)) for side in micrograph.shape)
    blocks = adaptive_avg_pool2d(micrograph[None].float(), (rows, columns))[0].numpy()
    smooth = ndimage.gaussian_filter(blocks, _SMOOTH, mode="nearest")
    ranks = equalize_hist(smooth)
    count = min(_CLUSTERS, len(np.unique(ranks)))
    label = KMeans(count, n_init=4, random_state=0).fit_predict(ranks.reshape(-1, 1)).reshape(ranks.shape)
    levels = np.asarray(ndimage.mean(smooth, label, np.arange(count)))
    ice = torch.from_numpy(ndimage.gaussian_filter(levels[label], _WIDE, mode="nearest")).float()
    slow = interpolate(torch.from_numpy(blocks)[None, None], size=tuple(micrograph.shape), mode="bilinear")[0, 0]
    noise = MAD * (micrograph - slow).abs().median()
    return (ice - ice.mean()) / noise.clamp(min=1e-12)
