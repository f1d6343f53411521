"""Other structures, or other tilts, in the noise that was fitted."""

import math
from dataclasses import replace

from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, scene_of, structures_of


def in_same_noise(other: SimulateSubtomograms, fitted: SimulateSubtomograms) -> SimulateSubtomograms:
    """A simulation whose images have the noise of a fitted one's, beside which what it shows is weaker or stronger."""
    noise = [scene_of(one, structures_of(one)).noise_std(0.0) for one in (other, fitted)]
    return replace(other, snr_db=fitted.snr_db + 20 * math.log10(noise[0] / noise[1]))
