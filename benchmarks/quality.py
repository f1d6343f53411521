"""How good the maps are: what each choice of CryoGAN's recipe is worth, and the experiments that the paper published.

    python benchmarks/quality.py ablation [--variants default "batch 64"] [--specimens 5a1a] [--seeds 0] [--steps 1000]
    python benchmarks/quality.py published [--experiments "80S -14 dB, 5 %"] [--steps 3000 800 400] [--refine]
        [--size gpu --device cuda]

What is done stands in benchmarks/results/<ablation or published>.jsonl and is not done again as long as the default
recipe stays as it is; images and runs are kept in FOLDER. The table of all of it goes to
benchmarks/results/<quality or published>_<hardware>_<date>.md.
"""

import argparse
from pathlib import Path

import ablation
import published
import torch
from results_file import write_results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/quality"))
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("ablation")
    one.add_argument("--variants", nargs="+", choices=ablation.VARIANTS, default=list(ablation.VARIANTS))
    one.add_argument("--specimens", nargs="+", choices=ablation.SPECIMENS, default=list(ablation.SPECIMENS))
    one.add_argument("--steps", type=int, default=1000)
    other = commands.add_parser("published")
    names = list(published.EXPERIMENTS)
    other.add_argument("--experiments", nargs="+", choices=names, default=names, metavar="EXPERIMENT")
    other.add_argument("--steps", type=int, nargs="+", default=[3000, 800, 400])
    other.add_argument("--boxes", type=int, nargs="+", default=[], help="of the stages; default the recipe's")
    other.add_argument("--finer", choices=("needed", "always"), default="needed")
    other.add_argument("--refine", action="store_true")
    other.add_argument("--size", choices=("cpu", "gpu"), default="cpu")
    other.add_argument("--device", default="cpu")
    other.add_argument("--data", type=Path, default=published.SHARED, help="folder of models/, maps_5A/ and tables")
    for command in (one, other):
        command.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    if given.command == "ablation":
        text = ablation.run(given.folder, given.variants, given.specimens, given.seeds, given.steps)
    else:
        how = published.How(tuple(given.steps), tuple(given.boxes), given.finer, given.refine, given.size)
        text = published.run(given.folder, given.experiments, given.seeds, how, given.device, given.data)
    name, device = ("quality", "cpu") if given.command == "ablation" else ("published", given.device)
    print(f"\n{text}\n{write_results(name, torch.device(device), text)}")


if __name__ == "__main__":
    main()
