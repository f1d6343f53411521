"""Every command, and where it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """Where a command is: its options are a dataclass, its work a function that takes them."""

    module: str
    options: str
    function: str
    help: str


COMMANDS = {
    "simulate particles": Command(
        "frazil.recipes.simulate_particles",
        "SimulateParticles",
        "simulate_particles",
        "particle images with known poses, from an atomic model, a map or the built-in specimen",
    ),
    "simulate micrographs": Command(
        "frazil.recipes.simulate_micrographs",
        "SimulateMicrographs",
        "simulate_micrographs",
        "fields of many particles with every label, by the physics of the microscope",
    ),
    "simulate subtomograms": Command(
        "frazil.recipes.simulate_subtomograms",
        "SimulateSubtomograms",
        "simulate_subtomograms",
        "small volumes out of tomograms with every label, by the physics of tilt series",
    ),
    "simulate tomogram": Command(
        "frazil.recipes.simulate_tomogram",
        "SimulateTomogram",
        "simulate_tomogram",
        "whole tomograms of many molecules and vesicles, every molecule's voxels labelled",
    ),
    "cryogan": Command(
        "frazil.recipes.cryogan", "CryoGANRun", "run", "a 3-D map from particles with unknown poses, by CryoGAN"
    ),
    "refine": Command(
        "frazil.recipes.refine", "RefineRun", "run", "poses and two half maps, from a map that is roughly right"
    ),
    "cryodrgn": Command(
        "frazil.recipes.cryodrgn", "CryoDRGNRun", "run", "a latent and volumes for particles that are not all alike"
    ),
    "cryodrgn-analyze": Command(
        "frazil.recipes.analyze_cryodrgn",
        "AnalyzeCryoDRGN",
        "analyze_cryodrgn",
        "the latents and volumes of a cryodrgn run, looked at otherwise",
    ),
    "cryogem train": Command(
        "frazil.recipes.cryogem",
        "CryoGEMTrain",
        "train",
        "a translator that makes simulated micrographs look like real ones, by CryoGEM",
    ),
    "cryogem generate": Command(
        "frazil.recipes.cryogem_generate",
        "CryoGEMGenerate",
        "generate",
        "micrographs like the real ones of a cryogem run, with every label",
    ),
    "cryoetgan train": Command(
        "frazil.recipes.cryoetgan",
        "CryoETGANTrain",
        "train",
        "a translator that makes simulated subtomograms look like real ones, by CryoETGAN",
    ),
    "cryoetgan generate": Command(
        "frazil.recipes.cryoetgan_generate",
        "CryoETGANGenerate",
        "generate",
        "subtomograms like the real ones of a cryoetgan run, with every label",
    ),
    "cryoetgan tomogram": Command(
        "frazil.recipes.cryoetgan_tomogram",
        "CryoETGANTomogram",
        "tomogram",
        "whole tomograms like the real ones of a cryoetgan run, every molecule's voxels labelled",
    ),
    "pick train": Command(
        "frazil.recipes.pick", "PickTrain", "train", "a particle picker from micrographs whose particles are known"
    ),
    "pick apply": Command("frazil.recipes.pick", "PickApply", "apply", "the particles that a picker finds"),
    "pose train": Command(
        "frazil.recipes.pose", "PoseTrain", "train", "an encoder of poses from particles whose poses are known"
    ),
    "pose apply": Command("frazil.recipes.pose", "PoseApply", "apply", "the poses that an encoder guesses"),
    "extract": Command("frazil.recipes.extract", "Extract", "extract", "particles cut out of micrographs, as a stack"),
    "reconstruct subtomograms": Command(
        "frazil.recipes.reconstruct_subtomograms",
        "ReconstructSubtomograms",
        "reconstruct_subtomograms",
        "volumes of particles that were extracted as stacks of tilt images",
    ),
    "select": Command(
        "frazil.recipes.select_particles",
        "SelectParticles",
        "select_particles",
        "picked particles as a table of their own",
    ),
    "import cryodrgn": Command(
        "frazil.recipes.exchange_cryodrgn", "ImportCryoDRGN", "import_cryodrgn", "a STAR file of cryoDRGN's pickles"
    ),
    "export cryodrgn": Command(
        "frazil.recipes.exchange_cryodrgn",
        "ExportCryoDRGN",
        "export_cryodrgn",
        "cryoDRGN's pickles of a particle table",
    ),
    "evaluate heterogeneity": Command(
        "frazil.recipes.evaluate_heterogeneity",
        "EvaluateHeterogeneity",
        "evaluate_heterogeneity",
        "latents and volumes of simulated images held against the truth",
    ),
    "evaluate poses": Command(
        "frazil.recipes.evaluate_poses", "EvaluatePoses", "evaluate_poses", "poses held against known ones"
    ),
    "evaluate micrographs": Command(
        "frazil.recipes.evaluate_micrographs",
        "EvaluateMicrographs",
        "evaluate_micrographs",
        "how close simulated micrographs come to real ones",
    ),
    "evaluate subtomograms": Command(
        "frazil.recipes.evaluate_subtomograms",
        "EvaluateSubtomograms",
        "evaluate_subtomograms",
        "how like real subtomograms others are, and how much their labels teach",
    ),
    "evaluate picks": Command(
        "frazil.recipes.evaluate_picks", "EvaluatePicks", "evaluate_picks", "picks held against known particles"
    ),
    "fsc": Command("frazil.recipes.compare_maps", "CompareMaps", "fsc", "the Fourier shell correlation of two maps"),
    "align": Command(
        "frazil.recipes.compare_maps", "AlignMaps", "align", "turn and shift a map, or its mirror image, onto another"
    ),
    "demo": Command("frazil.recipes.demo", "DemoRun", "run", "simulate, reconstruct and report, in minutes on the CPU"),
}
