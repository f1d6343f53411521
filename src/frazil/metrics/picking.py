"""What picks are worth: precision and recall against known places, by Topaz's protocol."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist


@dataclass(frozen=True)
class PrecisionRecall:
    """What is right among the best picks, and how much of the truth they hold, for each score in falling order."""

    score: Float[np.ndarray, " picks"]
    precision: Float[np.ndarray, " picks"]
    recall: Float[np.ndarray, " picks"]
    offset: Float[np.ndarray, " picks"]
    """Mean distance of the matched among the best picks from their particles; nan before the first."""

    @property
    def area(self) -> float:
        """AUPRC: the sum of precision x gain in recall (Bepler et al., Nat. Methods 16:1153, 2019)."""
        gained = np.diff(self.recall, prepend=0.0)
        return float((self.precision * gained).sum())

    @property
    def best(self) -> int:
        """The pick up to which F1, 2 precision recall / (precision + recall), is highest."""
        return int(self._f1().argmax()) if len(self.score) else 0

    @property
    def f1(self) -> float:
        """The highest F1."""
        return float(self._f1().max(initial=0.0))

    def _f1(self) -> Float[np.ndarray, " picks"]:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / np.where(total > 0, total, 1.0)


def match_picks(
    picks: Float[np.ndarray, "picks xy"], truth: Float[np.ndarray, "particles xy"], radius: float
) -> tuple[Int[np.ndarray, " matched"], Int[np.ndarray, " matched"]]:
    """Rows of picks and of particles that belong together: those with the least sum of distance^2 - radius^2.

    Pairs farther apart count for nothing (Hungarian algorithm), as in Topaz's match_coordinates.
    """
    gain = np.minimum(cdist(picks, truth, "sqeuclidean") - radius**2, 0.0)
    rows, columns = linear_sum_assignment(gain)
    matched = gain[rows, columns] < 0
    return rows[matched], columns[matched]


def precision_recall(
    picks: Mapping[str, tuple[Float[np.ndarray, "_n xy"], Float[np.ndarray, " _n"]]],
    truth: Mapping[str, Float[np.ndarray, "_m xy"]],
    radius: float,
) -> PrecisionRecall:
    """Picks (places and scores by micrograph) against true places: matched on each micrograph, then pooled.

    Micrographs without a truth do not count; one without picks counts as missed.
    """
    scores, right, offsets = [np.empty(0)], [np.empty(0)], [np.empty(0)]
    for name, places in truth.items():
        found, score = picks.get(name, (np.empty((0, 2)), np.empty(0)))
        rows, columns = match_picks(found, places, radius)
        hit = np.zeros(len(found))
        hit[rows] = 1
        offset = np.zeros(len(found))
        offset[rows] = np.linalg.norm(found[rows] - places[columns], axis=1)
        scores.append(score)
        right.append(hit)
        offsets.append(offset)
    total = sum(len(places) for places in truth.values())
    return _curve(np.concatenate(scores), np.concatenate(right), np.concatenate(offsets), total)


def _curve(
    score: Float[np.ndarray, " picks"],
    right: Float[np.ndarray, " picks"],
    offset: Float[np.ndarray, " picks"],
    total: int,
) -> PrecisionRecall:
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(right[order])
    # Picks of one score are taken or left together.
    last = np.flatnonzero(np.diff(score[order], append=-np.inf))
    hits, taken = hits[last], last + 1.0
    matched = np.where(hits > 0, hits, np.nan)
    return PrecisionRecall(
        score[order][last], hits / taken, hits / max(total, 1), np.cumsum(offset[order])[last] / matched
    )
