"""Every method that the training loop may be given: one module of cases beside this one, and one line here."""

from collections.abc import Callable

from tests.methods.cases import classify, cryodrgn, cryoetgan, cryogan, cryogem, pick, pose, refine
from tests.methods.cases.case import Case

METHODS: dict[str, Callable[[], Case]] = {
    **cryogan.CASES,
    **cryodrgn.CASES,
    **refine.CASES,
    **pick.CASES,
    **cryogem.CASES,
    **pose.CASES,
    **classify.CASES,
    **cryoetgan.CASES,
}
