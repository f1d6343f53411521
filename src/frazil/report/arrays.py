"""Plain arrays for the figures: numpy arrays and tensors alike, and what cannot be drawn said in one sentence."""

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray | Tensor


def as_numpy(values: Array) -> np.ndarray:
    """The values in the host's memory, as float32 unless they come as float64."""
    if isinstance(values, Tensor):
        tensor = values.detach().cpu()
        values = (tensor if tensor.dtype == torch.float64 else tensor.float()).numpy()
    return np.asarray(values, dtype=np.float64 if values.dtype == np.float64 else np.float32)


def why_not_finite(values: np.ndarray, what: str) -> str:
    """One sentence on the NaN and infinite values; empty where there are none."""
    broken = int(np.count_nonzero(~np.isfinite(values)))
    if not broken:
        return ""
    return f"{what} holds {broken:,} values out of {values.size:,} that are NaN or infinite, so it is not drawn."


def why_undrawable(values: np.ndarray, what: str) -> str:
    """One sentence on why a picture of these values would show nothing; empty where it would show something."""
    if values.size == 0:
        return f"{what} is empty, so there is nothing to draw."
    if broken := why_not_finite(values, what):
        return broken
    if np.ptp(values) == 0:
        return f"{what} is constant (every value is {values.flat[0]:.4g}), so there is nothing to draw."
    return ""


def grey_range(values: np.ndarray, outside_percent: float = 0.5) -> tuple[float, float]:
    """Black and white point of a grey scale that a few outliers cannot flatten."""
    black, white = np.percentile(values, [outside_percent, 100 - outside_percent])
    return (float(black), float(white)) if white > black else (float(values.min()), float(values.max()))


def nice_length(wanted: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not longer than what is wanted."""
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(max(step * power for step in (1, 2, 5) if step * power <= wanted * (1 + 1e-9)))
