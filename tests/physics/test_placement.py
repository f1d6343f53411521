"""Particles on a field: as many as asked for, none too close, everywhere alike."""

import pytest
import torch

from frazil.physics.placement import Crowd, _firsts, places_of_particles, poisson_disc


@pytest.mark.parametrize("size", [(200, 200), (300, 120)])
def test_no_two_particles_are_closer_than_the_distance(size: tuple[int, int], generator: torch.Generator) -> None:
    places = poisson_disc(size, 12.0, 80, generator)
    assert len(places) == 80
    assert torch.pdist(places).min() >= 12
    assert ((places >= -0.5) & (places <= torch.tensor(size) - 0.5)).all()


@pytest.mark.slow
def test_a_full_field_holds_fewer_and_is_as_dense_as_chance_makes_it(generator: torch.Generator) -> None:
    places = poisson_disc((200, 200), 10.0, 10_000, generator)
    # Discs that fall one after the other cover 54.7 % of the plane; at the edge they reach over it.
    covered = len(places) * torch.pi * 5.0**2 / 210.0**2
    assert 0.49 < covered < 0.56


def test_places_are_uniform(generator: torch.Generator) -> None:
    places = torch.cat([poisson_disc((100, 60), 4.0, 50, generator) for _ in range(200)])
    counts = torch.histc(places[:, 0], 4, -0.5, 99.5), torch.histc(places[:, 1], 4, -0.5, 59.5)
    for count in counts:
        # 2,500 expected in each quarter, and particles that keep a distance scatter less than chance.
        assert (count - 2500).abs().max() < 4 * 50


def test_crowded_particles_lie_side_by_side(generator: torch.Generator) -> None:
    size, distance, count = (400, 300), 20.0, 230  # 60 % of the area, where darts jam at 55 %
    assert len(poisson_disc(size, distance, count, generator)) < count
    places = places_of_particles(size, distance, count, generator)
    assert len(places) == count
    assert ((places >= -0.5) & (places <= torch.tensor(size) - 0.5)).all()
    nearest = torch.cdist(places, places).fill_diagonal_(torch.inf).amin(1)
    assert nearest.min() >= distance
    assert nearest.median() < 1.02 * distance


def test_crowded_places_are_uniform_up_to_the_edge(generator: torch.Generator) -> None:
    places = torch.cat([places_of_particles((100, 60), 10.0, 48, generator) for _ in range(100)])
    for axis, side in enumerate((100, 60)):
        share = torch.histc(places[:, axis], 10, -0.5, side - 0.5) / len(places)
        # 480 expected in each tenth, and particles that keep a distance scatter less than chance.
        assert (share - 0.1).abs().max() < 4 * (0.1 / len(places)) ** 0.5


def test_of_more_than_find_room_as_many_as_do_are_placed(generator: torch.Generator) -> None:
    places = places_of_particles((200, 200), 10.0, 2_000, generator)
    assert 0.7 < len(places) * torch.pi * 5.0**2 / 200.0**2 <= 0.75
    assert torch.pdist(places).min() >= 10
    assert len(places_of_particles((40, 40), 30.0, 4, generator)) > 1  # whose discs reach far beyond it


def test_of_points_in_each_others_way_the_first_stays(generator: torch.Generator) -> None:
    points = torch.rand(200, 2, generator=generator)
    close = torch.cdist(points, points) < 0.12
    stay: list[int] = []
    for number in range(200):
        if not any(close[number, other] for other in stay):
            stay.append(number)
    assert torch.nonzero(_firsts(close))[:, 0].tolist() == stay


def test_numbers_of_particles_have_the_mean_and_the_spread_asked_for(generator: torch.Generator) -> None:
    crowd = Crowd(mean=100.0, deviation=10.0, distance=0.0)
    counts = torch.tensor([crowd.draw_count(generator) for _ in range(3000)]).double()
    assert counts.mean() == pytest.approx(100, abs=0.7)
    # Cut at two standard deviations, a normal distribution keeps 0.880 of its own.
    assert counts.std() == pytest.approx(8.80, abs=0.35)
    assert counts.min() >= 80
    assert counts.max() <= 120
