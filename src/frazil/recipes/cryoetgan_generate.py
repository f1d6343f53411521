"""`frazil cryoetgan generate`: subtomograms that look like the real ones that a run has learnt from, with labels."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data.data_set_folder import make_folder, refuse_another_run
from frazil.data.seeds import numbered_generator
from frazil.data.specimens import kind_of_model
from frazil.data.subtomogram_files import OUTPUTS, TABLE, SubtomogramFiles
from frazil.data.subtomogram_scenes import SubtomogramScene
from frazil.data.workers import MOST_WORKERS, in_order, one_thread_per_operation
from frazil.io import fingerprint, hold_folder, write_map
from frazil.methods.base import stable_seed
from frazil.methods.cryoetgan import CryoETGAN, CryoETGANConfig
from frazil.recipes.cryoetgan import new_method, per_tomogram, read_simulation
from frazil.recipes.fitting.taken_series import as_taken
from frazil.recipes.running.learning import load_learnt
from frazil.recipes.running.progress import progress_bar
from frazil.recipes.simulate_subtomograms import (
    SimulateSubtomograms,
    configuration,
    files_of,
    scene_of,
    structures_of,
    write_tables,
    write_truths,
)
from frazil.training import checkpoints
from frazil.training.launch import launch

_UNCERTAINTY = "uncertainty"  # folder of the deviations over several draws
_AT_ONCE = 4  # volumes that are translated together


@dataclass(frozen=True)
class CryoETGANGenerate:
    """Make subtomograms like the real ones that a run has learnt from, with the class and pose of every one.

    Files and labels are those of `frazil simulate subtomograms`. Each follows from the seed and its number alone: the
    same command goes on where it stopped, and ranks of torchrun or srun share the work.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of `frazil cryoetgan train`."""
    out: Path
    """Folder for subtomograms/, truth/, particles.star, tomograms.star and tilt_series/."""
    count: int = 400
    """Number of subtomograms; the models take turns."""
    models: tuple[str, ...] = ()
    """Maps, atomic models, or the words pseudo-protein and membrane, instead of what the run learnt with."""
    tomograms: Path | None = None
    """RELION 5's or WarpTools' table of tomograms: tilts, dose and lenses as it says of all that it lists, instead of
    those of what the run learnt from; the fitted noise is scaled to the dose."""
    draws: int = 1
    """2 or more: of each as many, by other noise of the network's own; their standard deviation, voxel by voxel,
    is written to uncertainty/."""
    seed: int = 1000
    """Same seed, same bytes."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N; other devices round differently."""
    workers: int | None = None
    """Threads that make subtomograms on a CPU; the number of cores, 8 at most, if not given."""


def generate(options: CryoETGANGenerate) -> None:
    """Write the subtomograms and their labels."""
    for name in ("count", "draws", "workers"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise ValueError(f"--{name} must be 1 or more, not {value}")
    fabric = launch(options.device, "32-true")
    fitted = read_simulation(options.run)
    method = load(options.run, fitted, fabric.device)
    simulation = _simulation(options, fitted)
    if options.models and method.config.conditional:
        raise ValueError("--models: a run that learnt with --conditional makes what it learnt with alone")
    config = configuration(simulation)
    weights = fingerprint(checkpoints(options.run / "checkpoints")[0])
    config |= {"weights": weights, "draws": options.draws}
    refuse_another_run(options.out, config, (*OUTPUTS, _UNCERTAINTY))
    if (options.out / TABLE).is_file():
        print(f"{options.out}: already generated with these options")
        return
    with one_thread_per_operation(), hold_folder(options.out) if fabric.is_global_zero else nullcontext():
        volumes = structures_of(simulation)
        scene = scene_of(simulation, volumes)
        files = files_of(simulation)
        # Other molecules are as dense, and the noise of as many electrons is what it was.
        noise_std = scene_of(fitted, structures_of(fitted)).noise_std(fitted.snr_db)
        if simulation.tilts.dose_per_tilt != fitted.tilts.dose_per_tilt:
            noise_std *= (fitted.tilts.dose_per_tilt / simulation.tilts.dose_per_tilt) ** 0.5
        fabric.barrier()  # all ranks have looked before one of them writes
        if fabric.is_global_zero:
            missing = [scene.rows(one) for one in range(scene.tomograms) if files.missing(scene.rows(one))]
            volumes_missing = sum(map(len, missing)) * (1 + (options.draws > 1))
            make_folder(options.out, config, files.room(volumes_missing))
            write_truths(simulation, volumes)
        fabric.barrier()
        own = range(fabric.global_rank, scene.tomograms, fabric.world_size)
        _write_volumes(method, scene, noise_std, files, [one for one in own if files.missing(scene.rows(one))], options)
        fabric.barrier()
        if fabric.is_global_zero:
            write_tables(simulation, scene, files)
            print(f"{options.out}: {options.count} subtomograms of {simulation.box} voxels")


def _simulation(options: CryoETGANGenerate, fitted: SimulateSubtomograms) -> SimulateSubtomograms:
    """What is simulated: as it was fitted, of other models or taken otherwise where that is told."""
    simulation = replace(fitted, out=options.out, count=options.count, seed=options.seed)
    if options.models:
        models = (m if kind_of_model(m) == "phantom" else str(Path(m).resolve()) for m in options.models)
        simulation = replace(simulation, models=tuple(models))
    if options.tomograms is not None:
        if fitted.mode != "physics":
            raise ValueError(f"--tomograms: {options.run} started from densities, and its translator makes the wedge")
        tilts, lens = as_taken(options.tomograms, None, fitted.tilts, fitted.lens)
        if not fitted.tilts.dose_per_tilt and tilts.dose_per_tilt:
            raise ValueError(
                f"--tomograms: {options.run} learnt with --dose-per-tilt 0, which tells nothing of the noise at"
                f" {tilts.dose_per_tilt:g} electrons per square angstrom"
            )
        simulation = replace(simulation, tilts=tilts, lens=lens, ctf="none" if fitted.ctf == "none" else "ranges")
    return replace(simulation, per_tomogram=per_tomogram(options.count, simulation.tilts))


def _write_volumes(
    method: CryoETGAN,
    scene: SubtomogramScene,
    noise_std: float,
    files: SubtomogramFiles,
    missing: Sequence[int],
    options: CryoETGANGenerate,
) -> None:
    """Those of some tomograms, each tomogram's at once."""

    def make(place: int) -> int:
        rows = scene.rows(missing[place])
        given = scene.volumes(missing[place], noise_std)[0]
        shown = scene.labels(missing[place]).molecules.structure
        # A few at once: one alone takes up to five times as long.
        for own in torch.arange(len(rows)).split(max(1, _AT_ONCE // options.draws)):
            made = _translated(method, given[own], shown[own], rows[int(own[0])], options)
            for place, draws in zip(own.tolist(), made, strict=True):
                if options.draws > 1:
                    (files.out / _UNCERTAINTY).mkdir(exist_ok=True)
                    uncertain = files.out / _UNCERTAINTY / files.name(rows[place])
                    write_map(uncertain, draws.std(0), files.pixel_size)
                files.write_volumes(rows[place : place + 1], draws[:1, None])
        return len(rows)

    workers = options.workers or (MOST_WORKERS if method.device.type == "cpu" else 1)
    with progress_bar("subtomograms", sum(len(scene.rows(one)) for one in missing)) as advance:
        for count in in_order(make, len(missing), workers):
            advance(count)


def _translated(
    method: CryoETGAN,
    volumes: Float[Tensor, "few box box box"],
    label: Int[Tensor, " few"],
    first: int,
    options: CryoETGANGenerate,
) -> Float[Tensor, "few draws box box box"]:
    """Volumes of consecutive numbers as real ones would look, each several times, by noise of its number."""
    spread = volumes.std((1, 2, 3), keepdim=True)
    standard = (volumes - volumes.mean((1, 2, 3), keepdim=True)) / spread
    many = standard.repeat_interleave(options.draws, 0)
    chances = [numbered_generator(stable_seed(options.seed, "noise"), first + place) for place in range(len(volumes))]
    each = zip(many.split(options.draws), chances, strict=True)
    noise = torch.cat([method.noise_for(own, chance) for own, chance in each])
    made = method.translate(many, label.repeat_interleave(options.draws), noise)
    return made.unflatten(0, (len(volumes), options.draws))


def load(run: Path, simulation: SimulateSubtomograms, device: torch.device) -> CryoETGAN:
    """The translator of a run as its newest checkpoint has it; ValueError for what is no such run."""

    def make(config: dict[str, Any]) -> CryoETGAN:
        return new_method(CryoETGANConfig(**config["learning"]), simulation, seed=0)

    return load_learnt(run, make, device, "cryoetgan train")
