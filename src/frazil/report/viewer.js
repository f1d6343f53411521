// Turns every .viewer of the page into an isosurface: surface nets on the density carried by the page, drawn by WebGL 2.
(() => {
  "use strict";

  const CUBIC_NM_PER_KDA = 1.21; // protein of 1.37 g/cm³

  const VERTEX = `#version 300 es
    in vec3 position; in vec3 normal; in float openness;
    uniform mat3 turn; uniform vec2 scale; uniform vec3 centre; uniform float radius;
    out vec3 facing; out float light; out float depth;
    void main() {
      vec3 seen = turn * (position - centre) / radius;
      facing = turn * normal; light = openness; depth = seen.z;
      gl_Position = vec4(seen.xy * scale, -0.1 * seen.z, 1.0);
    }`;

  const FRAGMENT = `#version 300 es
    precision highp float;
    in vec3 facing; in float light; in float depth;
    uniform vec3 outside; uniform vec3 inside; uniform vec3 paper; uniform float cut;
    out vec4 colour;
    void main() {
      if (depth > cut) discard;
      // The back of the surface is seen only where the cut has opened it: unlit, it looks like the face of the cut.
      if (!gl_FrontFacing) { colour = vec4(inside, 1.0); return; }
      vec3 n = normalize(facing);
      float sky = 0.72 + 0.28 * n.y;
      float key = max(dot(n, normalize(vec3(-0.45, 0.65, 0.75))), 0.0);
      float gloss = pow(max(dot(n, normalize(vec3(-0.25, 0.35, 1.0))), 0.0), 40.0);
      vec3 lit = outside * (0.58 * sky + 0.52 * key) * light + vec3(0.16) * gloss * light;
      lit = mix(lit, paper, 0.38 * smoothstep(0.35, -1.0, depth));
      colour = vec4(lit, 1.0);
    }`;

  async function unpack(base64) {
    const packed = Uint8Array.from(atob(base64.trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint16Array(await new Response(stream).arrayBuffer());
  }

  // One vertex per cell the surface crosses, at the mean of its edge crossings (naive surface nets, Gibson 1998).
  function surfaceVertices(values, box, level) {
    const positions = [];
    const vertexOf = new Int32Array(box ** 3).fill(-1);
    const corner = [0, 1, box, box + 1, box * box, box * box + 1, box * box + box, box * box + box + 1];
    const seen = new Float32Array(8);
    for (let z = 0; z < box - 1; z++) for (let y = 0; y < box - 1; y++) for (let x = 0; x < box - 1; x++) {
      const cell = (z * box + y) * box + x;
      let above = 0;
      for (let c = 0; c < 8; c++) {
        seen[c] = values[cell + corner[c]] - level;
        if (seen[c] > 0) above |= 1 << c;
      }
      if (above === 0 || above === 255) continue;
      let sx = 0, sy = 0, sz = 0, count = 0;
      for (let c = 0; c < 8; c++) for (let bit = 1; bit < 8; bit <<= 1) {
        if (c & bit || ((above >> c) & 1) === ((above >> (c | bit)) & 1)) continue;
        const t = seen[c] / (seen[c] - seen[c | bit]);
        sx += (c & 1) + (bit === 1 ? t : 0);
        sy += ((c >> 1) & 1) + (bit === 2 ? t : 0);
        sz += ((c >> 2) & 1) + (bit === 4 ? t : 0);
        count++;
      }
      vertexOf[cell] = positions.length / 3;
      positions.push(x + sx / count, y + sy / count, z + sz / count);
    }
    return { positions: new Float32Array(positions), vertexOf };
  }

  // Every grid edge that crosses the level is shared by four cells; their vertices make two triangles.
  function surfaceTriangles(values, box, level, vertexOf) {
    const indices = [];
    const step = [1, box, box * box];
    for (let z = 1; z < box - 1; z++) for (let y = 1; y < box - 1; y++) for (let x = 1; x < box - 1; x++) {
      const here = (z * box + y) * box + x;
      const inside = values[here] > level;
      for (let axis = 0; axis < 3; axis++) {
        if (inside === values[here + step[axis]] > level) continue;
        const u = step[(axis + 1) % 3], v = step[(axis + 2) % 3];
        const a = vertexOf[here - u - v], b = vertexOf[here - v], c = vertexOf[here], d = vertexOf[here - u];
        if (inside) indices.push(a, b, c, a, c, d);
        else indices.push(a, c, b, a, d, c);
      }
    }
    return new Uint32Array(indices);
  }

  // Trilinear interpolation; 0 outside the box.
  function density(values, box, x, y, z) {
    const i = Math.floor(x), j = Math.floor(y), k = Math.floor(z);
    if (i < 0 || j < 0 || k < 0 || i > box - 2 || j > box - 2 || k > box - 2) return 0;
    const u = x - i, v = y - j, at = (k * box + j) * box + i, up = at + box * box;
    const along = (row) => values[row] + u * (values[row + 1] - values[row]);
    const below = along(at) + v * (along(at + box) - along(at));
    return below + (z - k) * (along(up) + v * (along(up + box) - along(up)) - below);
  }

  // The surface faces down the density's gradient, taken over a voxel to each side so that noise does not dent it.
  function surfaceNormals(values, box, positions) {
    const normals = new Float32Array(positions.length);
    for (let v = 0; v < positions.length; v += 3) {
      const x = positions[v], y = positions[v + 1], z = positions[v + 2];
      const nx = density(values, box, x - 1, y, z) - density(values, box, x + 1, y, z);
      const ny = density(values, box, x, y - 1, z) - density(values, box, x, y + 1, z);
      const nz = density(values, box, x, y, z - 1) - density(values, box, x, y, z + 1);
      const length = Math.hypot(nx, ny, nz) || 1;
      normals[v] = nx / length; normals[v + 1] = ny / length; normals[v + 2] = nz / length;
    }
    return normals;
  }

  // Grooves look darker: how much density stands in the way along the normal, near and further out.
  function surfaceOpenness(values, box, level, positions, normals) {
    const openness = new Float32Array(positions.length / 3);
    for (let v = 0; v < openness.length; v++) {
      let blocked = 0;
      for (const reach of [4, 6, 9, 12]) {
        const [x, y, z] = [0, 1, 2].map((i) => positions[3 * v + i] + reach * normals[3 * v + i]);
        blocked += Math.min(1, Math.max(0, 2.5 * density(values, box, x, y, z) / level - 1.5));
      }
      openness[v] = 1 - 0.15 * blocked;
    }
    return openness;
  }

  function isosurface(values, box, level) {
    const { positions, vertexOf } = surfaceVertices(values, box, level);
    const indices = surfaceTriangles(values, box, level, vertexOf);
    const normals = surfaceNormals(values, box, positions);
    const openness = surfaceOpenness(values, box, level, positions, normals);
    return { positions, indices, normals, openness };
  }

  const times = (a, b) => [0, 1, 2].map((i) => [0, 1, 2].map((j) => a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j]));
  const aboutX = (t) => [[1, 0, 0], [0, Math.cos(t), -Math.sin(t)], [0, Math.sin(t), Math.cos(t)]];
  const aboutY = (t) => [[Math.cos(t), 0, Math.sin(t)], [0, 1, 0], [-Math.sin(t), 0, Math.cos(t)]];
  const niceLength = (wanted) => {
    const power = 10 ** Math.floor(Math.log10(wanted));
    return [5, 2, 1].find((step) => step * power <= wanted) * power;
  };

  function buildProgram(gl) {
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    return program;
  }

  // The page's own colours, so that the surface follows the light and the dark theme.
  function themeColour(element, name) {
    const probe = document.createElement("canvas").getContext("2d");
    probe.fillStyle = getComputedStyle(element).getPropertyValue(name).trim();
    const hex = probe.fillStyle;
    return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);
  }

  class Viewer {
    constructor(element, volumes) {
      this.element = element;
      this.canvas = element.querySelector("canvas");
      this.volumes = volumes;
      this.values = volumes[0];
      this.box = Number(element.dataset.box);
      this.pixelSize = Number(element.dataset.pixelSize);
      this.floor = Number(element.dataset.floor);
      this.peak = Number(element.dataset.peak);
      this.level = element.querySelector("[name=level]");
      this.cut = element.querySelector("[name=cut]");
      this.volume = element.querySelector("[name=volume]"); // none where there is one alone
      this.gl = this.canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
      if (!this.gl) throw new Error("this browser offers no WebGL 2");
      this.program = buildProgram(this.gl);
      this.buffers = new Map();
      this.enclosed = this.countAbove();
      this.remesh();
      this.centre = this.meshCentre();
      this.radius = this.meshRadius();
      this.reset();
      this.listen();
    }

    countAbove() {
      const count = new Uint32Array(65537);
      for (const value of this.values) count[value]++;
      for (let v = 65534; v >= 0; v--) count[v] += count[v + 1];
      return count;
    }

    // The view turns about the middle of what the first surface encloses, and fits it.
    meshCentre() {
      const p = this.mesh.positions, sum = [0, 0, 0];
      for (let v = 0; v < p.length; v++) sum[v % 3] += p[v];
      return p.length ? sum.map((total) => (3 * total) / p.length) : [this.box / 2, this.box / 2, this.box / 2];
    }

    meshRadius() {
      const p = this.mesh.positions, [x, y, z] = this.centre;
      const distances = new Float32Array(p.length / 3).map((_, v) => Math.hypot(p[3 * v] - x, p[3 * v + 1] - y, p[3 * v + 2] - z));
      // A few specks far out do not make the particle small.
      return distances.sort()[Math.floor(0.98 * distances.length)] * 1.03 || this.box / 2;
    }

    remesh() {
      const value = Number(this.level.value);
      const level = ((value - this.floor) / (this.peak - this.floor)) * 65535;
      this.mesh = isosurface(this.values, this.box, Math.max(level, 1));
      this.upload("position", this.mesh.positions, 3);
      this.upload("normal", this.mesh.normals, 3);
      this.upload("openness", this.mesh.openness, 1);
      const gl = this.gl;
      if (!this.indexBuffer) this.indexBuffer = gl.createBuffer();
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.indexBuffer);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, this.mesh.indices, gl.DYNAMIC_DRAW);
      const cubicNm = (this.enclosed[Math.ceil(level)] * this.pixelSize ** 3) / 1000;
      const shown = (number) => number.toLocaleString("en", { maximumSignificantDigits: 3 });
      this.element.querySelector("output").textContent =
        `${this.volume ? `volume ${this.volume.value} · ` : ""}${shown(value)} · encloses ${shown(cubicNm)} nm³, about ${shown(cubicNm / CUBIC_NM_PER_KDA)} kDa of protein`;
      this.canvas.dataset.triangles = this.mesh.indices.length / 3;
    }

    upload(name, data, size) {
      const gl = this.gl;
      if (!this.buffers.has(name)) this.buffers.set(name, gl.createBuffer());
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers.get(name));
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
      const place = gl.getAttribLocation(this.program, name);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, size, gl.FLOAT, false, 0, 0);
    }

    reset() {
      this.turn = times(aboutX(0.35), aboutY(-0.45));
      this.zoom = 1;
      this.cut.value = this.cut.min;
      this.draw();
    }

    rotate(dx, dy) {
      this.turn = times(times(aboutX(dy), aboutY(dx)), this.turn);
      this.draw();
    }

    magnify(factor) {
      this.zoom = Math.min(8, Math.max(0.3, this.zoom * factor));
      this.draw();
    }

    draw() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => { this.waiting = false; this.paint(); });
    }

    fitCanvas() {
      const ratio = Math.min(window.devicePixelRatio || 1, 2);
      const width = Math.round(this.canvas.clientWidth * ratio), height = Math.round(this.canvas.clientHeight * ratio);
      if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
      this.gl.viewport(0, 0, width, height);
      const fit = 0.92 * this.zoom * Math.min(width, height);
      return [fit / width, fit / height];
    }

    paint() {
      const gl = this.gl, where = (name) => gl.getUniformLocation(this.program, name);
      const [sx, sy] = this.fitCanvas();
      const [a, b, c] = this.turn;
      gl.enable(gl.DEPTH_TEST);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      gl.uniformMatrix3fv(where("turn"), true, [...a, ...b, ...c]);
      gl.uniform2f(where("scale"), sx, sy);
      const cut = Number(this.cut.value);
      gl.uniform1f(where("cut"), cut > 0 ? 1 - 2 * cut : 1e6);
      gl.uniform1f(where("radius"), this.radius);
      gl.uniform3fv(where("centre"), this.centre);
      gl.uniform3fv(where("outside"), themeColour(this.canvas, "--surface-outside"));
      gl.uniform3fv(where("inside"), themeColour(this.canvas, "--surface-inside"));
      gl.uniform3fv(where("paper"), themeColour(this.canvas, "--raised"));
      gl.drawElements(gl.TRIANGLES, this.mesh.indices.length, gl.UNSIGNED_INT, 0);
      this.drawScaleBar();
      this.drawAxes();
      this.canvas.dataset.turn = this.turn.flat().map((entry) => entry.toFixed(4)).join(" ");
    }

    drawScaleBar() {
      const side = Math.min(this.canvas.clientWidth, this.canvas.clientHeight);
      const pixelsPerAngstrom = (0.46 * this.zoom * side) / (this.radius * this.pixelSize);
      const length = niceLength((0.3 * side) / pixelsPerAngstrom);
      const bar = this.element.querySelector(".scale-bar");
      bar.style.width = `${length * pixelsPerAngstrom}px`;
      bar.textContent = `${length} Å`;
    }

    drawAxes() {
      this.element.querySelectorAll(".axes g").forEach((axis, i) => {
        const [x, y] = [20 * this.turn[0][i], -20 * this.turn[1][i]];
        axis.querySelector("line").setAttribute("x2", x);
        axis.querySelector("line").setAttribute("y2", y);
        axis.querySelector("text").setAttribute("x", 1.38 * x);
        axis.querySelector("text").setAttribute("y", 1.38 * y);
      });
    }

    listen() {
      const canvas = this.canvas, pointers = new Map();
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        pointers.set(event.pointerId, event);
      });
      canvas.addEventListener("pointermove", (event) => {
        const before = pointers.get(event.pointerId);
        if (!before) return;
        const other = [...pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
        pointers.set(event.pointerId, event);
        if (other) {
          const apart = (pointer) => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY);
          this.magnify(apart(event) / Math.max(apart(before), 1));
        } else this.rotate((event.clientX - before.clientX) * 0.009, (event.clientY - before.clientY) * 0.009);
      });
      for (const end of ["pointerup", "pointercancel"]) {
        canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
      }
      // The wheel scrolls the page until the surface has been clicked; a pinch on a touchpad (ctrl) always zooms.
      canvas.addEventListener("wheel", (event) => {
        if (document.activeElement !== canvas && !event.ctrlKey) return;
        event.preventDefault();
        this.magnify(Math.exp(-event.deltaY * 0.0015));
      }, { passive: false });
      canvas.addEventListener("keydown", (event) => {
        const turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
        if (turns[event.key]) this.rotate(...turns[event.key]);
        else if (event.key === "+" || event.key === "=") this.magnify(1.15);
        else if (event.key === "-") this.magnify(1 / 1.15);
        else return;
        event.preventDefault();
      });
      this.level.addEventListener("input", () => { this.remesh(); this.draw(); });
      this.cut.addEventListener("input", () => this.draw());
      this.volume?.addEventListener("input", () => {
        this.values = this.volumes[Number(this.volume.value) - 1];
        this.enclosed = this.countAbove();
        this.remesh();
        this.draw();
      });
      this.element.querySelector("button").addEventListener("click", () => this.reset());
      new ResizeObserver(() => this.draw()).observe(canvas);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    }
  }

  for (const element of document.querySelectorAll(".viewer")) {
    Promise.all(Array.from(element.querySelectorAll("script"), (script) => unpack(script.textContent)))
      .then((volumes) => { new Viewer(element, volumes); })
      .catch((problem) => {
        element.classList.add("failed");
        element.querySelector(".viewer-problem").textContent =
          `The surface cannot be drawn here: ${problem.message}. The slices and projections show the same map.`;
      });
  }
})();
