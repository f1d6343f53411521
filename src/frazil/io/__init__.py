"""Files to tensors and back: maps, stacks, particle tables, atomic models. No science."""

from frazil.io.atomic import PARTIAL, atomic_path, refuse_what_is_there
from frazil.io.configuration import configuration_changes, read_record, stored_configuration, write_record
from frazil.io.coordinates import Coordinates, write_for_pickers
from frazil.io.fingerprint import fingerprint, fingerprint_of_ends
from frazil.io.folder_lock import hold_folder
from frazil.io.models import Atoms, read_atoms
from frazil.io.mrc import Map, read_map, write_images, write_map
from frazil.io.particle_table import ParticleTable, find_stack, group_optics
from frazil.io.stacks import ImageStack, StackWriter
from frazil.io.star import read_particles, read_tables, write_particles, write_tables
from frazil.io.table_images import TableImages, micrograph_pixel_size, open_images, with_sizes

__all__ = [
    "PARTIAL",
    "Atoms",
    "Coordinates",
    "ImageStack",
    "Map",
    "ParticleTable",
    "StackWriter",
    "TableImages",
    "atomic_path",
    "configuration_changes",
    "find_stack",
    "fingerprint",
    "fingerprint_of_ends",
    "group_optics",
    "hold_folder",
    "micrograph_pixel_size",
    "open_images",
    "read_atoms",
    "read_map",
    "read_particles",
    "read_record",
    "read_tables",
    "refuse_what_is_there",
    "stored_configuration",
    "with_sizes",
    "write_for_pickers",
    "write_images",
    "write_map",
    "write_particles",
    "write_record",
    "write_tables",
]
