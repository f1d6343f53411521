"""Where images come from: particle stacks, phantoms, simulated data sets."""

from frazil.data.phantoms import (
    GaussianBlobs,
    blob_projections,
    blob_volume,
    pseudo_protein,
    pseudo_protein_blobs,
    random_blobs,
)

__all__ = [
    "GaussianBlobs",
    "blob_projections",
    "blob_volume",
    "pseudo_protein",
    "pseudo_protein_blobs",
    "random_blobs",
]
