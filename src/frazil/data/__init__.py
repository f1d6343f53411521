"""Where images come from: particle stacks, phantoms, simulated data sets."""

from frazil.data.contrast import contrast_sign
from frazil.data.ctf_columns import ctf_of_table
from frazil.data.half_sets import HalfSets
from frazil.data.kept_images import ImageBatch, KeptImages, draw_rows, epoch_rows, uploaded
from frazil.data.neighbours import assumed_pixel_size, neighbour_offsets, touching_distance
from frazil.data.particles import (
    Particles,
    Support,
    background_ring,
    normalise_by_background,
    open_particles,
)
from frazil.data.phantoms import (
    GaussianBlobs,
    blob_projections,
    blob_volume,
    pseudo_protein,
    pseudo_protein_blobs,
    random_blobs,
)
from frazil.data.surroundings import surrounding_noise

__all__ = [
    "GaussianBlobs",
    "HalfSets",
    "ImageBatch",
    "KeptImages",
    "Particles",
    "Support",
    "assumed_pixel_size",
    "background_ring",
    "blob_projections",
    "blob_volume",
    "contrast_sign",
    "ctf_of_table",
    "draw_rows",
    "epoch_rows",
    "neighbour_offsets",
    "normalise_by_background",
    "open_particles",
    "pseudo_protein",
    "pseudo_protein_blobs",
    "random_blobs",
    "surrounding_noise",
    "touching_distance",
    "uploaded",
]
