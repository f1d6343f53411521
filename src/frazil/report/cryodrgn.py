"""The page of a cryoDRGN run: the latents, the volumes that they stand for, and whether to believe them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from frazil.metrics import FSC, HALF_MAPS_AGREE
from frazil.report.figure import Figure, Reading
from frazil.report.fsc import fsc_figure
from frazil.report.history import Row
from frazil.report.page import Report
from frazil.report.run_story import RunStory, Scalars

CRYODRGN_SCALARS = Scalars(
    panels={
        "Log-likelihood gained": ["gain", "held_out_gain"],
        "Divergence of the latents": ["divergence"],
        "Negative evidence bound": ["loss"],
        "Standard deviation of the particles' strength": ["strength_varies"],
    },
    headlines={"Gained on images held out": ("held_out_gain", "log-likelihood of an image against noise alone")},
    reading=Reading(
        look="Training steps run to the right. Gained is the log-likelihood of an image, against that of noise alone,"
        " of images that are learnt from and of others that never are; the divergence is how much the latents say, in"
        " nats.",
        good="Both gains rise together and level off; the resolution falls.",
        bad="The gain of images held out falls while the other rises: the network learns their noise. A divergence near"
        " 0: the latents say nothing, and all volumes are one.",
    ),
)

_COLLAPSED = 0.1  # nats, below which latents say nothing
_OVERFITTED = 0.9  # of the best gain of images held out, below which noise is learnt
_LITTLE = 3.0  # nats; who says no more of an image has hardly begun to learn
_UNSEEN = 0.8  # of the gain of images that are learnt from, the same
_OF_VIEW = 0.1  # of the view, above which the latent holds it


@dataclass(frozen=True)
class Findings:
    """What a run of cryoDRGN found."""

    latents: Figure | None
    """None where particles are taken to be all alike."""
    volumes: Sequence[Figure]
    fsc: Mapping[str, FSC]
    """Of the halves' volumes at some images' latents."""
    view_dependence: float
    pixel_size: float
    told: str
    """What the run was told of the images, in a line."""


def cryodrgn_report(found: Findings, story: RunStory) -> Report:
    """Report of what was found and the run that found it."""
    report = Report(story.title, f"{found.pixel_size:.3g} Å per pixel · {found.told}")
    if found.fsc:
        resolution = np.mean([curve.resolution(HALF_MAPS_AGREE) for curve in found.fsc.values()])
        end = 1 / max(float(curve.frequency[-1]) for curve in found.fsc.values())
        note = "the finest that their box holds" if resolution < 1.01 * end else "FSC 0.143"
        report.headline("Resolution of the volumes", f"{resolution:.1f}", "Å", f"{note}, of models of the half sets")
    story.add_headlines(report, "all models")
    for sentence in warnings(story.rows(), found.view_dependence, alike=found.latents is None):
        report.warn(sentence)
    if found.latents:
        report.section("Latent space")
        report.figure(found.latents)
    report.section("Volumes")
    for figure in found.volumes:
        report.figure(figure)
    if found.fsc:
        report.section("Resolution")
        report.figure(fsc_figure(dict(found.fsc)))
    story.add_sections(report, found.pixel_size, {"Half-map resolution, Å": ["half_map_resolution"]})
    return report


def warnings(rows: Sequence[Row], view_dependence: float, alike: bool = False) -> list[str]:
    """Sentences on what went wrong, from the lines of the log and what the latents tell of the view.

    There are no latents where particles are taken to be `alike`.
    """
    found = _of_noise(rows)
    if rows and not alike and "divergence" in rows[-1] and rows[-1]["divergence"] < _COLLAPSED:
        found.append(
            f"The latents say nothing (a divergence of {rows[-1]['divergence']:.2g} nats): all volumes are one. Either"
            " the particles are all alike, or --beta is too large, or the run is too short."
        )
    if view_dependence > _OF_VIEW:
        found.append(
            f"The latents follow the direction of view ({100 * view_dependence:.0f} % of it can be told from them):"
            " they hold how a particle was seen and not how it was built. Check the poses and the CTF, or give a larger"
            " --beta or a smaller --latent-dim."
        )
    return found


def _of_noise(rows: Sequence[Row]) -> list[str]:
    """A sentence where images held out fare worse than they did, or than those that are learnt from."""
    judged = [row for row in rows if None not in (row.get("gain"), row.get("held_out_gain"))]
    if not judged:
        return []
    last, best = judged[-1], max(judged, key=lambda row: row["held_out_gain"])
    if max(best["held_out_gain"], last["gain"]) < _LITTLE:
        return [
            f"The models hardly say anything of the images yet (a gain of {last['gain']:.2g}, of {_LITTLE:g} and more"
            " when they do): the run is too short, or the poses, the contrast or the CTF are wrong."
        ]
    if last["held_out_gain"] < _OVERFITTED * best["held_out_gain"]:
        return [
            f"The network learns noise: what it says of images held out was best at step {best['step']} (a gain"
            f" of {best['held_out_gain']:.3g}) and has fallen to {last['held_out_gain']:.3g}. Give fewer --epochs, a"
            " smaller decoder, or more images."
        ]
    if last["held_out_gain"] < _UNSEEN * last["gain"]:
        return [
            f"The network learns noise: it says less of images held out (a gain of {last['held_out_gain']:.3g}) than"
            f" of those that it learns from ({last['gain']:.3g}). Give fewer --epochs, a smaller decoder, or more"
            " images."
        ]
    return []
