"""The report in a real browser: it draws, it turns, it asks for nothing and it complains of nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from frazil.report import Report, isosurfaces_figure

DRAWN = "document.querySelector('.viewer canvas')?.dataset.turn"
COVERED = """(() => {
  const gl = document.querySelector('.viewer canvas').getContext('webgl2');
  const pixels = new Uint8Array(4 * gl.drawingBufferWidth * gl.drawingBufferHeight);
  gl.readPixels(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  let covered = 0;
  for (let i = 3; i < pixels.length; i += 4) covered += pixels[i] > 0;
  return covered / (pixels.length / 4);
})()"""


def complaints(events: list[dict[str, Any]]) -> list[Any]:
    """Exceptions, console output and errors in the browser's own log."""
    found = [
        event["params"]
        for event in events
        if event["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    ]
    entries = [event["params"]["entry"] for event in events if event["method"] == "Log.entryAdded"]
    return found + [entry for entry in entries if entry["level"] == "error"]


def requests(events: list[dict[str, Any]]) -> list[str]:
    """Addresses asked for besides what the page itself carries."""
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith("data:")]


def set_slider(browser: Any, name: str, value: str) -> None:
    slider = f"document.querySelector('[name={name}]')"
    browser.evaluate(f"{slider}.value = {value}; {slider}.dispatchEvent(new Event('input'))")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_report_opens_without_a_complaint_or_a_request(browser: Any, sample_page: Path, theme: str) -> None:
    browser.open(sample_page, theme=theme)
    browser.wait(DRAWN)
    browser.evaluate("window.scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
    assert complaints(browser.events) == []
    assert requests(browser.events) == [sample_page.as_uri()]
    colour = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == {"light": "rgb(251, 252, 253)", "dark": "rgb(16, 22, 28)"}[theme]


def test_the_isosurface_is_drawn_and_turns_with_the_mouse(browser: Any, sample_page: Path) -> None:
    browser.open(sample_page)
    browser.wait(DRAWN)
    assert 0.05 < browser.evaluate(COVERED) < 0.6
    before = browser.evaluate(DRAWN)
    browser.drag(".viewer canvas", 120, 40)
    browser.wait(f"{DRAWN} !== '{before}'")
    assert 0.05 < browser.evaluate(COVERED) < 0.6
    browser.evaluate("document.querySelector('.viewer button').click()")
    browser.wait(f"{DRAWN} === '{before}'")
    assert complaints(browser.events) == []


def test_a_higher_level_draws_a_smaller_surface_and_says_what_it_encloses(browser: Any, sample_page: Path) -> None:
    browser.open(sample_page)
    browser.wait(DRAWN)
    triangles = "Number(document.querySelector('.viewer canvas').dataset.triangles)"
    before, words = browser.evaluate(triangles), browser.evaluate("document.querySelector('output').textContent")
    assert "kDa of protein" in words
    set_slider(browser, "level", "document.querySelector('[name=level]').max * 0.7")
    assert 0 < browser.evaluate(triangles) < before
    assert browser.evaluate("document.querySelector('output').textContent") != words


def test_the_cut_takes_the_front_away(browser: Any, sample_page: Path) -> None:
    browser.open(sample_page)
    browser.wait(DRAWN)
    before = browser.evaluate(COVERED)
    set_slider(browser, "cut", "0.85")
    browser.wait(f"{COVERED} < {0.8 * before}")


def test_the_slider_of_volumes_draws_another(browser: Any, tmp_path: Path) -> None:
    axis = np.arange(32) - 16
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    balls = {str(radius): 1 / (1 + np.exp(2 * (distance - radius))) for radius in (9, 5)}
    report = Report("Two balls")
    report.section("Volumes")
    report.figure(isosurfaces_figure(balls, 3.0, "Balls"))
    browser.open(report.write(tmp_path / "balls.html"))
    browser.wait(DRAWN)
    before = browser.evaluate(COVERED)
    assert "volume 1 " in browser.evaluate("document.querySelector('output').textContent")
    set_slider(browser, "volume", "2")
    browser.wait(f"{COVERED} < {0.6 * before}")
    assert "volume 2 " in browser.evaluate("document.querySelector('output').textContent")
    assert complaints(browser.events) == []


def test_arrow_keys_turn_the_surface(browser: Any, sample_page: Path) -> None:
    browser.open(sample_page)
    browser.wait(DRAWN)
    before = browser.evaluate(DRAWN)
    browser.evaluate("document.querySelector('.viewer canvas').focus()")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowLeft", code="ArrowLeft")
    browser.wait(f"{DRAWN} !== '{before}'")


def test_a_pointer_over_a_chart_names_the_values(browser: Any, sample_page: Path) -> None:
    browser.open(sample_page)
    frame = "document.querySelector('.chart svg.wide').getBoundingClientRect()"
    browser.evaluate("document.querySelector('.chart').scrollIntoView({behavior: 'instant', block: 'center'})")
    x, y = browser.evaluate(f"{frame}.left + {frame}.width / 2"), browser.evaluate(f"{frame}.top + {frame}.height / 2")
    browser.mouse("mouseMoved", x, y)
    browser.wait("!document.querySelector('.tip').hidden")
    words = browser.evaluate("document.querySelector('.tip').textContent")
    assert " Å" in words
    assert "half maps" in words


@pytest.mark.parametrize("width", [320, 390, 820])
def test_nothing_overflows_a_narrow_window(browser: Any, sample_page: Path, width: int) -> None:
    browser.open(sample_page, width=width)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_a_browser_without_webgl_says_so(browser: Any, sample_page: Path) -> None:
    browser.open(Path("/dev/null"))
    script = "HTMLCanvasElement.prototype.getContext = () => null"
    browser.call("Page.addScriptToEvaluateOnNewDocument", source=script)
    browser.call("Page.navigate", url=sample_page.as_uri())
    browser.wait("document.querySelector('.viewer.failed')")
    words = browser.evaluate("document.querySelector('.viewer-problem').innerText")
    assert words.startswith("The surface cannot be drawn here: this browser offers no WebGL 2.")
