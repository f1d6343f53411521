"""What is seen of work outside the training loop."""

import pytest

from frazil.recipes.running import progress


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.progress_bar("images", 100) as advance:
        for _ in range(100):
            now += 1.0
            advance(0)
            advance(1)
    assert capsys.readouterr().err.splitlines() == [
        "images  10/100  ETA 0:01:30",
        "images  20/100  ETA 0:01:20",
        "images  40/100  ETA 0:01:00",
        "images  80/100  ETA 0:00:20",
        "images  100/100  ETA 0:00:00",
    ]
