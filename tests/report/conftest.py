"""A report of made-up data, and a headless Chromium to open it in."""

import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from frazil.metrics import FSC
from frazil.report import (
    Report,
    comparison_figure,
    fsc_figure,
    history_figure,
    isosurface_figure,
    map_figure,
    provenance_figure,
)

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--remote-debugging-pipe",
]


class Browser:
    """Chromium spoken to in its DevTools protocol over two pipes: messages are JSON, each ended by a zero byte."""

    def __init__(self, program: str, profile: Path) -> None:
        read_commands, self._commands = os.pipe()
        self._replies, write_replies = os.pipe()
        # The protocol's pipes are file descriptors 3 and 4 of the browser.
        line = f'exec "$0" "$@" 3<&{read_commands} 4>&{write_replies}'
        self._process = subprocess.Popen(
            ["bash", "-c", line, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(read_commands, write_replies),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(read_commands)
        os.close(write_replies)
        self._unread = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        os.close(self._commands)
        os.close(self._replies)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come in between are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            if not select.select([self._replies], [], [], 60)[0]:
                raise TimeoutError("the browser has not answered for 60 s")
            piece = os.read(self._replies, 1 << 20)
            if not piece:
                raise RuntimeError("the browser closed its pipe")
            self._unread += piece
        message, self._unread = self._unread.split(b"\0", 1)
        return json.loads(message)

    def open(self, page: Path, width: int = 1280, height: int = 900, theme: str = "light") -> None:
        """Open a file in a fresh tab of this size and colour scheme, watching its console and its requests."""
        self._session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": theme}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        self.wait("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not self.evaluate(f"!!({condition})"):
            if time.monotonic() > until:
                raise TimeoutError(f"not true after {seconds} s: {condition}")
            time.sleep(0.1)

    def mouse(self, kind: str, x: float, y: float) -> None:
        buttons = {"button": "left", "buttons": 1, "clickCount": 1} if kind != "mouseMoved" else {"buttons": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **buttons)

    def drag(self, selector: str, dx: float, dy: float) -> None:
        """Press the mouse in the middle of an element and move it in ten steps."""
        centre = f"document.querySelector('{selector}').getBoundingClientRect()"
        self.evaluate(f"document.querySelector('{selector}').scrollIntoView({{behavior: 'instant', block: 'center'}})")
        x = self.evaluate(f"{centre}.left + {centre}.width / 2")
        y = self.evaluate(f"{centre}.top + {centre}.height / 2")
        self.mouse("mousePressed", x, y)
        for step in range(1, 11):
            self.mouse("mouseMoved", x + dx * step / 10, y + dy * step / 10)
        self.mouse("mouseReleased", x + dx, y + dy)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A running headless Chromium; tests that need it are skipped where none is installed."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    running = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield running
    running.close()


def blob_map(box: int = 48) -> np.ndarray:
    """A lopsided heap of Gaussian blobs about the box's centre, with a little noise."""
    generator = np.random.default_rng(3)
    axis = np.arange(box) - box // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    volume = 0.01 * generator.standard_normal((box, box, box))
    for centre in 0.13 * box * generator.standard_normal((60, 3)):
        squared = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2
        volume += np.exp(-squared / (2 * (box / 26) ** 2))
    return volume


def sample_log(seed: int = 4) -> list[dict[str, Any]]:
    """Rows as a run writes them; a resolution that is not known yet is null."""
    generator = np.random.default_rng(seed)
    return [
        {
            "step": step,
            "elapsed": 0.21 * step,
            "critic_distance": 4 * np.exp(-step / 500) + 0.4 + 0.1 * generator.standard_normal(),
            "resolution": 22 + 40 * np.exp(-step / 400) - (3 if step > 900 else 0) if step else None,
        }
        for step in range(0, 2001, 10)
    ]


def falling_fsc(place: float, box: int = 48, pixel_size: float = 4.2) -> FSC:
    """A curve that falls through 0.5 at `place`, in 1/angstrom."""
    frequency = torch.arange(box // 2 + 1) / (box * pixel_size)
    noise = 0.02 * torch.randn(len(frequency), generator=torch.Generator().manual_seed(1)) * (frequency > 0.03)
    return FSC(frequency, 1 / (1 + ((frequency - place) * 220).exp()) + noise, pixel_size)


def sample_report() -> Report:
    """A report with every kind of part."""
    generator = np.random.default_rng(5)
    volume, pixel_size = blob_map(), 4.2
    report = Report("CryoGAN: a synthetic particle", "12,000 images of 48 px at 4.2 Å, two independent halves")
    report.headline("Half-map resolution", 17.3, "Å", "where the FSC of the half maps falls through 0.143")
    report.headline("Against the known structure", 21.9, "Å", "FSC = 0.5, after alignment")
    report.headline("Images", 12000, "", "6,000 in each half")
    report.headline("Time", 6.8, "min", "2 threads, no GPU")
    report.warn("The half maps still agree at the finest detail of the images (FSC 0.31 at 8.4 Å): use a finer box.")
    report.section("Resolution")
    report.figure(fsc_figure({"half maps": falling_fsc(0.05), "map against the truth": falling_fsc(0.046)}))
    report.section("The map")
    report.figure(isosurface_figure(volume, pixel_size))
    report.figure(map_figure(volume, pixel_size, "Slices and projections"))
    report.section("The images")
    projections = np.stack([volume.sum(axis=axis) for axis in (0, 1, 2)] * 8)
    images = [shift + 3.2 * generator.standard_normal(projections.shape) for shift in (projections, projections)]
    report.figure(comparison_figure(images[0], 0.97 * images[1], pixel_size))
    report.section("The run")
    logs = {"half 1": sample_log(), "half 2": sample_log(5)}
    panels = {"critic distance": ["critic_distance"], "half-map resolution, angstrom": ["resolution"]}
    report.figure(history_figure(logs, panels, stages={"32 px": 0, "48 px": 800}))
    report.figure(
        provenance_figure(
            ["frazil", "cryogan", "my particles.star", "--out", "RUN", "--symmetry", "C1"],
            {"box": 48, "critic": {"width": 32, "learning_rate": 1e-3}, "stages": [32, 48], "symmetry": "C1"},
            {"frazil": "0.1.0", "python": "3.11.2", "torch": "2.13.0"},
        )
    )
    return report


@pytest.fixture(scope="session")
def sample_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample report on disk."""
    return sample_report().write(tmp_path_factory.mktemp("report") / "report.html")
