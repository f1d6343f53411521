// Points in a canvas: a layout and a colour to choose, a lasso to pick with, and the picked rows as a file.
(() => {
  "use strict";

  const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer;
  const MARGIN = { left: 46, right: 14, top: 12, bottom: 34 };
  // Viridis at nine points, between which colours are mixed.
  const RAMP = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"].map((hex) =>
    [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));

  function colour(share) {
    const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1), low = Math.min(Math.floor(at), RAMP.length - 2);
    const mixed = RAMP[low].map((value, part) => Math.round(value + (at - low) * (RAMP[low + 1][part] - value)));
    return `rgb(${mixed.join(",")})`;
  }

  // Of one of some classes: hues a golden angle apart, so that neighbouring numbers differ most.
  const hue = (number) => `hsl(${(number * 137.5) % 360}, 65%, 45%)`;

  // From the 1st to the 99th percentile: a few outliers must not take all the room, nor all the colours.
  function range(values, ends) {
    const sorted = Float32Array.from(values).sort();
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
    const [low, high] = [at(ends), at(1 - ends)];
    return high > low ? [low, high] : [low - 0.5, low + 0.5];
  }

  const inside = (x, y, line) => {
    let within = false;
    for (let i = 0, j = line.length - 1; i < line.length; j = i++) {
      const [xi, yi] = line[i], [xj, yj] = line[j];
      if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) within = !within;
    }
    return within;
  };

  const written = (value) => String(Number(value.toPrecision(4)));

  function start(figure) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    const rows = new Uint32Array(bytes(data.rows));
    const canvas = figure.querySelector("canvas"), output = figure.querySelector("output"), said = output.textContent;
    const choose = (name) => figure.querySelector(`[name=${name}]`);
    let line = [], picked = new Uint8Array(rows.length), places = [];

    function draw() {
      const layout = data.layouts[choose("layout").value], column = new Float32Array(bytes(data.columns[choose("column").value]));
      const x = new Float32Array(bytes(layout.x)), y = new Float32Array(bytes(layout.y));
      const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      const pen = canvas.getContext("2d"), style = getComputedStyle(figure);
      const ink = style.getPropertyValue("--ink"), muted = style.getPropertyValue("--muted"), hairline = style.getPropertyValue("--hairline");
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, width, height);
      const room = [width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
      const scale = ([low, high], pad = 0.04 * (high - low)) => [low - pad, high + pad];
      const [x0, x1] = scale(range(x, 0.001)), [y0, y1] = scale(range(y, 0.001));
      const classes = data.classes.includes(choose("column").value);
      const [c0, c1] = range(column, classes ? 0 : 0.01);
      // What lies beyond the frame is drawn on it.
      const within = (share) => Math.min(Math.max(share, 0), 1);
      places = Array.from(x, (value, i) => [
        MARGIN.left + room[0] * within((value - x0) / (x1 - x0)), MARGIN.top + room[1] * (1 - within((y[i] - y0) / (y1 - y0)))]);
      pen.strokeStyle = hairline;
      pen.strokeRect(MARGIN.left, MARGIN.top, ...room);
      pen.fillStyle = muted;
      pen.font = `12px ${style.fontFamily}`;
      pen.textAlign = "center";
      pen.fillText(layout.across, MARGIN.left + room[0] / 2, height - 10);
      pen.save();
      pen.translate(16, MARGIN.top + room[1] / 2);
      pen.rotate(-Math.PI / 2);
      pen.fillText(layout.up, 0, 0);
      pen.restore();
      const some = picked.some(Boolean), size = rows.length > 5000 ? 1.3 : 2;
      places.forEach(([across, down], i) => {
        pen.globalAlpha = some && !picked[i] ? 0.12 : 0.75;
        pen.fillStyle = classes ? hue(column[i]) : colour((column[i] - c0) / (c1 - c0));
        pen.fillRect(across - size, down - size, 2 * size, 2 * size);
      });
      pen.globalAlpha = 1;
      pen.strokeStyle = pen.fillStyle = ink;
      pen.font = `bold 12px ${style.fontFamily}`;
      data.marked.forEach((place, number) => {
        const [across, down] = places[place];
        pen.beginPath();
        pen.arc(across, down, 5, 0, 2 * Math.PI);
        pen.stroke();
        pen.fillText(number + 1, across + 11, down - 5);
      });
      if (line.length > 1) {
        pen.setLineDash([4, 3]);
        pen.beginPath();
        line.forEach(([across, down], i) => (i ? pen.lineTo(across, down) : pen.moveTo(across, down)));
        pen.closePath();
        pen.stroke();
        pen.setLineDash([]);
      }
      figure.querySelector(".low").textContent = written(c0);
      figure.querySelector(".high").textContent = written(c1);
      const steps = Array.from({ length: c1 - c0 + 1 }, (_, i) => `${hue(c0 + i)} ${(100 * i) / (c1 - c0 + 1)}% ${(100 * (i + 1)) / (c1 - c0 + 1)}%`);
      const shades = classes ? steps : RAMP.map((_, i) => colour(i / (RAMP.length - 1)));
      figure.querySelector(".bar").style.background = `linear-gradient(to right, ${shades.join(",")})`;
      canvas.dataset.drawn = rows.length;
    }

    function pick(chosen) {
      picked = chosen;
      const count = picked.reduce((sum, value) => sum + value, 0);
      output.textContent = count ? `${count.toLocaleString("en")} picked` : said;
      for (const name of ["save", "clear"]) choose(name).disabled = count === 0;
      draw();
    }

    const at = (event) => {
      const frame = canvas.getBoundingClientRect();
      return [event.clientX - frame.left, event.clientY - frame.top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      line = [at(event)];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!line.length) return;
      line.push(at(event));
      draw();
    });
    canvas.addEventListener("pointerup", () => {
      const around = line;
      line = [];
      pick(around.length > 3 ? Uint8Array.from(places, ([x, y]) => Number(inside(x, y, around))) : new Uint8Array(rows.length));
    });
    choose("clear").addEventListener("click", () => pick(new Uint8Array(rows.length)));
    choose("save").addEventListener("click", () => {
      const lines = Array.from(rows).filter((_, i) => picked[i]).map((row) => row + 1);
      const address = URL.createObjectURL(new Blob([`# rows of particles.star, from 1\n${lines.join("\n")}\n`], { type: "text/plain" }));
      Object.assign(document.createElement("a"), { href: address, download: "picked_rows.txt" }).click();
      URL.revokeObjectURL(address);
    });
    for (const name of ["layout", "column"]) choose(name).addEventListener("change", draw);
    new ResizeObserver(draw).observe(canvas);
  }

  document.querySelectorAll(".scatter").forEach(start);
})();
