"""A pass of the pose search: `frazil refine` beside cryodrgn's (4.3.1) `abinit_homo_old` and `abinit`.

    python benchmarks/peer_search.py --peer VENV/bin/cryodrgn [--box 32] [--count 5000] [--images 48] [--threads 1]

The same simulated images; the peer is given the first of them, for it takes seconds for each. Both search all
orientations and shifts of every image against a volume. The table goes to
benchmarks/results/peer_search_<hardware>_<date>.md.
"""

import argparse
import json
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import torch
from peers import Case, clock_seconds
from results_file import heading, markdown_table, write_results

SHIFT, DIAMETER = 5.0, 115.0
NOTE = """Images per second of a pass in which every pose is searched, and the most memory of the whole program. The
pseudo-protein, {box} px, {snr:g} dB, shifts up to 5 %, {threads} thread(s). frazil: the last iteration of a refinement
of {count} images; cryodrgn: its default search up to Nyquist, of the first {images}."""


def ours(case: Case) -> list[str]:
    """frazil's row."""
    out = case.images / "refine"
    particle = f"--contrast light --diameter {DIAMETER} --shift-percent {SHIFT} --box {case.box}"
    words = f"{case.images}/particles.star --reference {case.images}/truth.mrc --out {out} --iterations 3 {particle}"
    said = case.timed(sys.executable, "-m", "frazil", "refine", *words.split())
    before, last = [json.loads(line)["elapsed"] for line in (out / "log.jsonl").read_text().splitlines()[-2:]]
    return row("frazil refine", case.count / (last - before), said)


def theirs(case: Case, program: str, images: int) -> list[list[str]]:
    """The peer's rows."""
    pickles = case.images / "peer"
    with (pickles / "first.pkl").open("wb") as file:
        pickle.dump(np.arange(images), file)
    nyquist = (case.box - 1) // 2
    given = f"{case.images}/particles.mrcs --ctf {pickles}/ctf.pkl --ind {pickles}/first.pkl --l-end {nyquist}"
    old = f"abinit_homo_old {given} -o {case.images}/old --pretrain {images} --ps-freq 2 -n 1"
    new = f"abinit {given} -o {case.images}/new --zdim 0 --n-imgs-pretrain {images} --epochs-pose-search 1"
    more = f"--n-imgs-pose-search {images} --epochs-sgd 0 --num-epochs 2 --no-analysis"
    rows = []
    for words, finished in (
        (old, r"=====> Epoch: 1 .*Finished in (\S+)"),
        (f"{new} {more}", r"HPS Epoch: 1 finished in ([\d:.]+)"),
    ):
        said = case.timed(program, *words.split(), "--uninvert-data")
        (clock,) = re.findall(finished, said)
        rows.append(row(f"cryodrgn {words.split()[0]}", images / clock_seconds(clock), said))
    return rows


def row(name: str, speed: float, said: str) -> list[str]:
    """A program, its speed, and the memory that time(1) names in what it said."""
    (kilobytes,) = re.findall(r"most memory (\d+)", said)
    return [name, f"{speed:.3g}", f"{int(kilobytes) / 2**20:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/peers"))
    parser.add_argument("--peer", required=True)
    for name, default in {"box": 32, "count": 5000, "images": 48, "seed": 0, "threads": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--snr-db", type=float, default=-10.0)
    given = vars(parser.parse_args())
    peer, images = given.pop("peer"), given.pop("images")
    case = Case(**given, kind="none", epochs=0, width=0, shift=SHIFT)
    case.simulate()
    rows = [ours(case), *theirs(case, peer, images)]
    note = NOTE.format(**given, snr=case.snr_db, images=images)
    table = markdown_table(["program", "images/s", "GiB"], rows)
    text = f"{heading('A pass of the pose search', torch.device('cpu'))}\n{note}\n\n{table}\n"
    print(f"\n{text}\n{write_results('peer_search', torch.device('cpu'), text)}")


if __name__ == "__main__":
    main()
