"""The pose encoder: which of many orientations does a particle image show?"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

_GROUP = 8  # channels that are normalised together
_LEVELS = 4  # halvings
_MOST = 8  # times as many channels as at first


def check_encoder_box(box: int) -> None:
    """ValueError for images that the encoder does not take."""
    if box < 2**_LEVELS or box % 2**_LEVELS:
        raise ValueError(f"the pose encoder needs images of a multiple of {2**_LEVELS} px, these have {box}")


class PoseEncoder(nn.Module):
    """Convolutions that halve an image four times, then two linear layers: a logit for each orientation of a grid."""

    def __init__(self, box: int, orientations: int, width: int = 32, hidden: int = 512) -> None:
        super().__init__()
        check_encoder_box(box)
        widths = [1] + [min(width * 2**level, _MOST * width) for level in range(_LEVELS)]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            for inputs, stride in ((before, 1), (after, 2)):
                layers += [nn.Conv2d(inputs, after, 3, stride, 1), nn.GroupNorm(after // _GROUP, after), nn.SiLU()]
        side = box // 2**_LEVELS
        self.features = nn.Sequential(*layers)
        self.score = nn.Sequential(nn.Linear(widths[-1] * side**2, hidden), nn.SiLU(), nn.Linear(hidden, orientations))

    def forward(self, images: Float[Tensor, "batch box box"]) -> Float[Tensor, "batch orientations"]:
        """Logits."""
        return self.score(self.features(images[:, None]).flatten(1))
