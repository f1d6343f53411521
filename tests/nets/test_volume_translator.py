"""Networks of subtomograms."""

import torch

from frazil.nets.volume_translator import VolumeCritic


def test_gradients_of_the_critic_are_finite_in_bfloat16_where_few_voxels_are_left() -> None:
    volumes = torch.randn(4, 18, 18, 18, generator=torch.Generator().manual_seed(0))
    for _ in range(20):
        critic = VolumeCritic(16).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        with torch.autocast("cpu", torch.bfloat16):
            critic(volumes).mean().backward()
        assert all(float(weight.grad.abs().max()) < 1e4 for weight in critic.parameters())
