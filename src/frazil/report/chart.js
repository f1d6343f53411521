// A pointer over a chart names the values below it.
(() => {
  "use strict";

  const written = (value) => (Math.abs(value) >= 1e4 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4))));
  const position = (x, pointer) => {
    if (pointer !== "resolution") return written(x);
    return x > 0 ? `${(1 / x).toPrecision(3)} Å` : "∞ Å";
  };

  function nearest(xs, x) {
    let low = 0, high = xs.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] < x) low = middle; else high = middle;
    }
    return x - xs[low] < xs[high] - x ? low : high;
  }

  // The panel below the pointer and the x value there; null beside the axes.
  function place(svg, event) {
    const frame = svg.getBoundingClientRect();
    const across = (event.clientX - frame.left) / frame.width, down = (event.clientY - frame.top) / frame.height;
    const panels = JSON.parse(svg.dataset.places);
    const index = panels.findIndex(({ box: [, top, , height] }) => down >= top - 0.02 && down <= top + height + 0.02);
    if (index < 0) return null;
    const { box: [left, , width], x: [first, last] } = panels[index];
    const share = (across - left) / width;
    return share < -0.01 || share > 1.01 ? null : { index, panel: panels[index], x: first + share * (last - first), frame };
  }

  function show(chart, tip, data, svg, event) {
    const found = place(svg, event);
    const curves = found ? data.curves[found.index].filter((curve) => curve.x.length) : [];
    tip.hidden = curves.length === 0;
    if (tip.hidden) return;
    const at = curves[0].x[nearest(curves[0].x, found.x)];
    const label = document.createElement("div");
    label.append(Object.assign(document.createElement("strong"), { textContent: position(at, data.pointer) }));
    for (const curve of curves) {
      const row = document.createElement("span");
      row.style.setProperty("--swatch", curve.colour);
      row.textContent = `${curve.name}  ${written(curve.y[nearest(curve.x, at)])}`;
      label.append(row);
    }
    tip.replaceChildren(label);
    const { box: [left, top, width, height], x: [first, last] } = found.panel;
    const outer = chart.getBoundingClientRect();
    const x = found.frame.left - outer.left + found.frame.width * (left + (width * (at - first)) / (last - first));
    tip.style.setProperty("--x", `${x}px`);
    tip.style.setProperty("--top", `${found.frame.top - outer.top + found.frame.height * top}px`);
    tip.style.setProperty("--height", `${found.frame.height * height}px`);
    tip.classList.toggle("leftwards", x > outer.width / 2);
  }

  for (const chart of document.querySelectorAll(".chart")) {
    const data = JSON.parse(chart.querySelector("script").textContent), tip = chart.querySelector(".tip");
    for (const svg of chart.querySelectorAll("svg")) {
      svg.addEventListener("pointermove", (event) => show(chart, tip, data, svg, event));
      svg.addEventListener("pointerleave", () => { tip.hidden = true; });
    }
  }
})();
