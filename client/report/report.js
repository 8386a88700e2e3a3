(() => {
'use strict';

// Small pictures are enlarged; keep their pixels sharp.
const CRISP_WIDTH_PX = 256;

const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream()
      .pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Samples of a 16-bit grey PNG as numbers in 0..1, exact to the last bit, which
// a canvas (8 bits) would not give.
async function decodeGrey16(png) {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const parts = [];
  let width = 0, height = 0;
  for (let at = 8; at + 12 <= png.length;) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8));
    if (type === 'IHDR') {
      width = view.getUint32(at + 8);
      height = view.getUint32(at + 12);
      const [depth, colour, , , interlace] = png.subarray(at + 16, at + 21);
      if (depth !== 16 || colour !== 0 || interlace !== 0) return null;
    } else if (type === 'IDAT') {
      parts.push(png.subarray(at + 8, at + 8 + length));
    }
    at += 12 + length;
  }
  const rows = await inflate(new Uint8Array(await new Blob(parts).arrayBuffer()));
  const stride = 2 * width;
  if (rows.length < height * (stride + 1)) return null;
  const values = new Float32Array(width * height);
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; ++y) {
    const filter = rows[y * (stride + 1)];
    const row = rows.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1));
    for (let i = 0; i < stride; ++i) {
      const a = i >= 2 ? row[i - 2] : 0;
      const b = above[i];
      const c = i >= 2 ? above[i - 2] : 0;
      row[i] += [0, a, b, (a + b) >> 1, paeth(a, b, c)][filter];
    }
    for (let x = 0; x < width; ++x) {
      values[y * width + x] = (row[2 * x] * 256 + row[2 * x + 1]) / 65535;
    }
    above = row;
  }
  return {width, height, values};
}

function paeth(a, b, c) {
  const pa = Math.abs(b - c);
  const pb = Math.abs(a - c);
  const pc = Math.abs(a + b - 2 * c);
  if (pa <= pb && pa <= pc) return a;
  return pb <= pc ? b : c;
}

async function decodeValues(block) {
  const bytes = bytesOf(block.textContent.trim());
  if (block.dataset.encoding === 'png_grey16') return decodeGrey16(bytes);
  const width = Number(block.dataset.width);
  const height = Number(block.dataset.height);
  if (bytes.length !== 4 * width * height) return null;
  return {width, height, values: new Float32Array(bytes.buffer)};
}

// Reading a depth map: point, touch, or focus it and use the arrow keys.
function probe(figure, {width, height, values}) {
  const map = figure.querySelector('.pane');
  const reading = figure.querySelector('.reading');
  const mark = figure.querySelector('.mark');
  const range = figure.querySelector('.range');
  let low = 1, high = 0;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  range.style.left = `${100 * low}%`;
  range.style.width = `${100 * Math.max(high - low, 0)}%`;
  range.style.display = 'block';
  const idle = `This map spans ${low.toFixed(2)} to ${high.toFixed(2)} of the ` +
      'model’s range, 0 near and 1 far. Point at it to read a depth.';

  let x = width >> 1, y = height >> 1, pinned = false;
  const show = () => {
    const depth = values[y * width + x];
    figure.classList.add('reads');
    for (const cross of figure.querySelectorAll('.cross')) {
      cross.style.left = `${100 * (x + .5) / width}%`;
      cross.style.top = `${100 * (y + .5) / height}%`;
    }
    mark.style.left = `${100 * Math.min(Math.max(depth, 0), 1)}%`;
    const value = document.createElement('b');
    value.textContent = depth.toFixed(3);
    reading.replaceChildren('Relative depth ', value, ` at x ${x}, y ${y}`);
  };
  const hide = () => {
    figure.classList.remove('reads');
    reading.textContent = idle;
  };
  const follow = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const clamp = (v, n) => Math.min(Math.max(Math.floor(v * n), 0), n - 1);
    x = clamp((event.clientX - box.left) / box.width, width);
    y = clamp((event.clientY - box.top) / box.height, height);
    show();
  };
  for (const pane of figure.querySelectorAll('.pane')) {
    pane.addEventListener('pointermove', (e) => { if (!pinned) follow(e); });
    pane.addEventListener('pointerleave', () => { if (!pinned) hide(); });
    pane.addEventListener('click', (e) => { pinned = !pinned; follow(e); });
  }
  map.tabIndex = 0;
  map.setAttribute('aria-label', 'Depth map; the arrow keys move the reading');
  map.setAttribute('role', 'group');
  map.addEventListener('focus', () => { if (map.matches(':focus-visible')) show(); });
  map.addEventListener('blur', () => { if (!pinned) hide(); });
  map.addEventListener('keydown', (event) => {
    const step = event.shiftKey ? 10 : 1;
    const move = {ArrowLeft: [-step, 0], ArrowRight: [step, 0],
                  ArrowUp: [0, -step], ArrowDown: [0, step]}[event.key];
    if (!move) return;
    event.preventDefault();
    x = Math.min(Math.max(x + move[0], 0), width - 1);
    y = Math.min(Math.max(y + move[1], 0), height - 1);
    show();
  });
  hide();
}

// Pointing at a region in the list lights its box, and the other way round.
function lightRegions(figure) {
  const items = [...figure.querySelectorAll('.regions li')];
  const light = (region) => {
    for (const part of figure.querySelectorAll('[data-region]')) {
      part.classList.toggle('on', part.dataset.region === region);
    }
  };
  for (const item of items) {
    item.addEventListener('pointerenter', () => light(item.dataset.region));
    item.addEventListener('pointerleave', () => light(null));
    item.addEventListener('focus', () => light(item.dataset.region));
    item.addEventListener('blur', () => light(null));
  }
  for (const pane of figure.querySelectorAll('.pane')) {
    const svg = pane.querySelector('svg');
    if (!svg) continue;
    pane.addEventListener('pointermove', (event) => {
      const box = pane.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
      const y = (event.clientY - box.top) / box.height * svg.viewBox.baseVal.height;
      // The smallest box under the pointer: large ones hold it too.
      let best = null, bestArea = Infinity;
      for (const group of svg.querySelectorAll('g')) {
        const r = group.querySelector('rect');
        const [left, top, w, h] = ['x', 'y', 'width', 'height']
            .map((name) => Number(r.getAttribute(name)));
        const inside = x >= left && x < left + w && y >= top && y < top + h;
        if (inside && w * h < bestArea) {
          best = group.dataset.region;
          bestArea = w * h;
        }
      }
      light(best);
    });
    pane.addEventListener('pointerleave', () => light(null));
  }
}

for (const copy of document.querySelectorAll('img[data-copy-of]')) {
  copy.src = document.getElementById(copy.dataset.copyOf).src;
}
for (const image of document.querySelectorAll('.inputs img')) {
  const sharpen = () => {
    image.classList.toggle('crisp', image.naturalWidth <= CRISP_WIDTH_PX);
  };
  if (image.complete) sharpen();
  image.addEventListener('load', sharpen);
}
for (const figure of document.querySelectorAll('.map')) {
  if (figure.querySelector('.regions')) lightRegions(figure);
  const block = figure.querySelector('script.values');
  if (!block || !('DecompressionStream' in window)) continue;
  decodeValues(block).then((map) => { if (map) probe(figure, map); })
      .catch(() => { /* Without values the map still shows. */ });
}
})();
