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
    const drawn = new Uint32Array(bytes(data.drawn));
    const canvas = figure.querySelector("canvas"), output = figure.querySelector("output"), said = output.textContent;
    const choose = (name) => figure.querySelector(`[name=${name}]`);
    const count = bytes(Object.values(data.layouts)[0].x).byteLength / 4;
    // The lasso picks among all points, drawn or not.
    let line = [], picked = new Uint8Array(count), across = [], down = [], placed = "";

    // Where every point lies in the canvas; what lies beyond the frame, on it.
    function place(name, room) {
      const key = [name, ...room].join();
      if (key === placed) return;
      placed = key;
      const within = (share) => Math.min(Math.max(share, 0), 1);
      const share = (values, [low, high] = range(values, 0.001), pad = 0.04 * (high - low)) =>
        values.map((value) => within((value - low + pad) / (high - low + 2 * pad)));
      const [x, y] = ["x", "y"].map((axis) => new Float32Array(bytes(data.layouts[name][axis])));
      across = share(x).map((value) => MARGIN.left + room[0] * value);
      down = share(y).map((value) => MARGIN.top + room[1] * (1 - value));
    }

    function draw() {
      const layout = data.layouts[choose("layout").value], column = new Float32Array(bytes(data.columns[choose("column").value]));
      const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      const pen = canvas.getContext("2d"), style = getComputedStyle(figure);
      const ink = style.getPropertyValue("--ink"), muted = style.getPropertyValue("--muted"), hairline = style.getPropertyValue("--hairline");
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, width, height);
      const room = [width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
      place(choose("layout").value, room);
      const classes = data.classes.includes(choose("column").value);
      const [c0, c1] = range(column, classes ? 0 : 0.01);
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
      const some = picked.some(Boolean), size = drawn.length > 5000 ? 1.3 : 2;
      drawn.forEach((row, i) => {
        pen.globalAlpha = some && !picked[row] ? 0.12 : 0.75;
        pen.fillStyle = classes ? hue(column[i]) : colour((column[i] - c0) / (c1 - c0));
        pen.fillRect(across[row] - size, down[row] - size, 2 * size, 2 * size);
      });
      pen.globalAlpha = 1;
      pen.strokeStyle = pen.fillStyle = ink;
      pen.font = `bold 12px ${style.fontFamily}`;
      data.marked.forEach((row, number) => {
        pen.beginPath();
        pen.arc(across[row], down[row], 5, 0, 2 * Math.PI);
        pen.stroke();
        pen.fillText(number + 1, across[row] + 11, down[row] - 5);
      });
      if (line.length > 1) {
        pen.setLineDash([4, 3]);
        pen.beginPath();
        line.forEach((corner, i) => (i ? pen.lineTo(...corner) : pen.moveTo(...corner)));
        pen.closePath();
        pen.stroke();
        pen.setLineDash([]);
      }
      figure.querySelector(".low").textContent = written(c0);
      figure.querySelector(".high").textContent = written(c1);
      const steps = Array.from({ length: c1 - c0 + 1 }, (_, i) => `${hue(c0 + i)} ${(100 * i) / (c1 - c0 + 1)}% ${(100 * (i + 1)) / (c1 - c0 + 1)}%`);
      const shades = classes ? steps : RAMP.map((_, i) => colour(i / (RAMP.length - 1)));
      figure.querySelector(".bar").style.background = `linear-gradient(to right, ${shades.join(",")})`;
      canvas.dataset.drawn = drawn.length;
    }

    function pick(chosen) {
      picked = chosen;
      const number = picked.reduce((sum, value) => sum + value, 0);
      output.textContent = number ? `${number.toLocaleString("en")} picked` : said;
      for (const name of ["save", "clear"]) choose(name).disabled = number === 0;
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
      pick(picked.map((_, row) => (around.length > 3 ? inside(across[row], down[row], around) : 0)));
    });
    choose("clear").addEventListener("click", () => pick(new Uint8Array(count)));
    choose("save").addEventListener("click", () => {
      const lines = Array.from(picked.keys()).filter((row) => picked[row]).map((row) => row + 1);
      const address = URL.createObjectURL(new Blob([`# rows of particles.star, from 1\n${lines.join("\n")}\n`], { type: "text/plain" }));
      Object.assign(document.createElement("a"), { href: address, download: "picked_rows.txt" }).click();
      URL.revokeObjectURL(address);
    });
    for (const name of ["layout", "column"]) choose(name).addEventListener("change", draw);
    new ResizeObserver(draw).observe(canvas);
  }

  document.querySelectorAll(".scatter").forEach(start);
})();
