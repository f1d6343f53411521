"""What tests of several methods need."""

from collections.abc import Iterable

import pytest
import torch


@pytest.fixture
def double_precision() -> Iterable[None]:
    """Sharp comparisons, where rounding decides in single precision: Adam's step, whether a latent moves."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
