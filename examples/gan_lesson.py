"""The smallest generative adversarial network: handwritten digits out of noise, through frazil's loop and losses.

    python examples/gan_lesson.py [--out runs/digits] [--steps 20000]

Two networks of two linear layers each play against one another (Goodfellow et al. 2014): one draws 8 x 8 digits from 64
random numbers, the other tells drawn digits from scikit-learn's real ones. CryoGAN is the same game with the microscope
in the place of the first network. Needs scikit-learn; takes a few minutes.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import torch
import tyro
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import pad

from frazil.losses import cross_entropy_critic_loss, cross_entropy_generator_loss
from frazil.methods import Method, StepContext
from frazil.training import FitSettings, RunFolder, fit

LATENT, HIDDEN, PIXELS, BATCH = 64, 128, 8 * 8, 32


@dataclass(frozen=True)
class Options:
    out: Path = Path("runs/digits")
    """Folder of the run: digits.png, log, checkpoints. The same command goes on where it stopped."""
    steps: int = 20_000
    """Updates of both networks."""


def two_layers(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, outputs))


class DigitGAN(Method):
    """Generator and critic, a step of each per update."""

    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            networks = {"generator": two_layers(LATENT, PIXELS), "critic": two_layers(PIXELS, 1)}
        self.networks = nn.ModuleDict(networks)
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for name, network in networks.items()
        }

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Digits that nobody wrote, (count, 64), about -1 to 1."""
        noise = torch.randn(count, LATENT, generator=generator, device=generator.device)
        return self.networks["generator"](noise).tanh()

    def update(self, batch: Tensor, context: StepContext) -> dict[str, Tensor | float]:
        """The critic learns to tell, then the generator to pass for real."""
        fake = self.draw(BATCH, context.generator("noise"))[context.share(BATCH)]
        told = cross_entropy_critic_loss(self._score(batch), self._score(fake.detach()))
        context.descend(self.optimizers["critic"], told)
        passed = cross_entropy_generator_loss(self._score(fake))
        context.descend(self.optimizers["generator"], passed)
        return {"critic_loss": told.detach(), "generator_loss": passed.detach()}

    def _score(self, images: Tensor) -> Tensor:
        return self.networks["critic"](images)[:, 0]

    def figures(self, context: StepContext) -> dict[str, float]:
        return {}

    def stage(self, step: int) -> str:
        return ""

    def state_dict(self) -> dict[str, Any]:
        return {"networks": self.networks.state_dict(), **{k: v.state_dict() for k, v in self.optimizers.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.networks.load_state_dict(state["networks"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state[name])

    def to(self, device: torch.device) -> None:
        self.networks.to(device)


def batches() -> Callable[[StepContext], Tensor]:
    """Real digits, -1 to 1."""
    digits = torch.from_numpy(load_digits().data).float() / 8 - 1

    def draw(context: StepContext) -> Tensor:
        rows = torch.randint(len(digits), (BATCH,), generator=context.generator("digits", device="cpu"))
        return digits[rows[context.share(BATCH)]].to(context.device)

    return draw


def main(options: Options) -> None:
    method = DigitGAN()
    folder = RunFolder.open(options.out, asdict(options), {})
    fit(method, batches(), FitSettings(steps=options.steps, log_every=1000), folder)
    if folder.is_main:
        drawn = method.draw(64, torch.Generator(next(method.networks.parameters()).device).manual_seed(1))
        tiles = pad(drawn.detach().cpu().reshape(8, 8, 8, 8), (1, 1, 1, 1), value=-1)
        sheet = tiles.permute(0, 2, 1, 3).reshape(80, 80).repeat_interleave(8, 0).repeat_interleave(8, 1)
        plt.imsave(options.out / "digits.png", sheet.numpy(), cmap="gray_r")
        print(f"what it draws: {options.out / 'digits.png'}")


if __name__ == "__main__":
    main(tyro.cli(Options))
