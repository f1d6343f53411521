"""A CTF goes into a table's columns and comes back; a table that does not tell it is refused in a sentence."""

from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
import torch

from frazil.data import ctf_of_table
from frazil.data.ctf_columns import CTF_COLUMNS, columns_of_ctf, ignored_aberrations
from frazil.io import ParticleTable
from frazil.physics import CTF


def lenses() -> CTF:
    values = torch.arange(1.0, 9.0)[:, None] * torch.tensor([1.1, 0.3, 27.7])
    values[5] /= 1000  # the amplitude contrast, a part of 1
    return CTF(*values)


def table(**columns: object) -> ParticleTable:
    return ParticleTable(Path("x.star"), pd.DataFrame(columns_of_ctf(lenses()) | columns), pd.DataFrame())


def test_every_parameter_of_a_lens_has_a_column() -> None:
    assert set(CTF_COLUMNS) == {field.name for field in fields(CTF)}


def test_a_ctf_comes_back_from_its_columns_to_the_bit() -> None:
    found = ctf_of_table(table())
    for field in fields(CTF):
        assert torch.equal(getattr(found, field.name), getattr(lenses(), field.name))


def test_a_column_holds_the_decimals_that_were_meant() -> None:
    columns = columns_of_ctf(lenses())
    assert columns["rlnDefocusU"].tolist() == [1.1, 0.3, 27.7]


@pytest.mark.parametrize("column", ["rlnPhaseShift", "rlnCtfBfactor"])
def test_no_phase_plate_and_no_envelope_where_the_table_names_none(column: str) -> None:
    whole = table()
    part = ParticleTable(whole.path, whole.data.drop(columns=column), whole.optics)
    name = next(name for name, other in CTF_COLUMNS.items() if other == column)
    assert getattr(ctf_of_table(part), name).tolist() == [0, 0, 0]


@pytest.mark.parametrize("column", ["rlnDefocusU", "rlnVoltage", "rlnAmplitudeContrast"])
def test_a_table_without_a_column_it_needs_is_refused_with_its_name(column: str) -> None:
    whole = table()
    part = ParticleTable(whole.path, whole.data.drop(columns=column), whole.optics)
    with pytest.raises(ValueError, match=rf"x\.star has no CTF: column {column} is missing; add it, or leave"):
        ctf_of_table(part)


@pytest.mark.parametrize("column", ["rlnCtfDataAreCtfPremultiplied", "rlnCtfDataArePhaseFlipped"])
def test_images_whose_ctf_was_applied_are_refused(column: str) -> None:
    assert len(ctf_of_table(table(**{column: 0}))) == 3
    with pytest.raises(ValueError, match=rf"x\.star: {column} is 1"):
        ctf_of_table(table(**{column: [0, 0, 1]}))


def test_aberrations_that_are_left_out_are_named_where_they_are_not_nought() -> None:
    data = pd.DataFrame(
        {
            "rlnImageName": ["1@a.mrcs", "2@a.mrcs"],
            "rlnBeamTiltX": [0.0, 0.0],
            "rlnOddZernike": ["[0,0,0.01]", "[0,0,0]"],
            "rlnMagMat00": [1.0, 1.0],
            "rlnMagMat01": [0.0, 0.002],
            "rlnCtfScalefactor": [1.0, 0.9],
            "cryosparcTilt": ["[0,0]", "[0,2.5]"],
        }
    )
    table = ParticleTable(Path("x.star"), data, pd.DataFrame({"rlnOpticsGroup": [1]}))
    assert ignored_aberrations(table) == ["rlnCtfScalefactor", "rlnOddZernike", "rlnMagMat01", "cryosparcTilt"]
    assert ignored_aberrations(table.select([0])) == ["rlnOddZernike"]
