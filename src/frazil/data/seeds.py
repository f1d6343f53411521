"""Random numbers of the parts of a data set, each part's its own."""

import numpy as np
import torch


def numbered_generator(seed: int, number: int) -> torch.Generator:
    """The generator of one part of a data set: no two of its parts share one."""
    # A generator keeps 32 bits of its seed: counting up from a scattered start, no two parts share them.
    start = int(np.random.SeedSequence(seed).generate_state(1)[0])
    return torch.Generator().manual_seed((start + number) % 2**32)
