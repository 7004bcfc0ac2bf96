// Gradient ascent at growing sizes, as deepdream_nb does it in Python, number for number where that is possible.
// A picture is {height, width, data}: a Float32Array of three planes (red, green, blue), each value from 0 to 1.

export const picture = (height, width, data = new Float32Array(3 * height * width)) => ({height, width, data});

// Python rounds a half to the even number.
function rounded(x) {
  const down = Math.floor(x);
  return x - down === 0.5 ? down + down % 2 : Math.round(x);
}

export const clip = x => x < 0 ? 0 : x > 1 ? 1 : x;

function clipped(image) {
  for (let i = 0; i < image.data.length; i++) image.data[i] = clip(image.data[i]);
  return image;
}

// From and to the pixels of a canvas. What shows through lies on white.
export function fromPixels(pixels, height, width) {
  const made = picture(height, width), area = height * width;
  for (let i = 0; i < area; i++) {
    const alpha = pixels[4 * i + 3] / 255;
    for (let c = 0; c < 3; c++) made.data[c * area + i] = pixels[4 * i + c] / 255 * alpha + 1 - alpha;
  }
  return made;
}

export function toPixels({height, width, data}) {
  const area = height * width, pixels = new Uint8ClampedArray(4 * area).fill(255);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) pixels[4 * i + c] = Math.floor(clip(data[c * area + i]) * 255 + 0.5);
  }
  return pixels;
}

// Pillow's bicubic, antialiased resize: for each new place, which old ones count, and how much.
function bicubic(x) {
  x = Math.abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

function taps(from, to) {
  const scale = from / to, stretch = Math.max(scale, 1), reach = 2 * stretch;
  return Array.from({length: to}, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const last = Math.min(from, Math.trunc(centre + reach + 0.5));
    const weights = Float64Array.from({length: last - first}, (_, k) => bicubic((k + first - centre + 0.5) / stretch));
    const sum = weights.reduce((a, b) => a + b);
    return {first, weights: weights.map(one => one / sum)};
  });
}

export function resize(image, height, width) {
  if (image.height === height && image.width === width) return image;
  const across = picture(image.height, width), columns = taps(image.width, width);
  for (let row = 0; row < 3 * image.height; row++) {
    for (let x = 0; x < width; x++) {
      const {first, weights} = columns[x], start = row * image.width + first;
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * image.data[start + k];
      across.data[row * width + x] = sum;
    }
  }
  const made = picture(height, width), rows = taps(image.height, height), line = new Float64Array(width);
  for (let plane = 0; plane < 3; plane++) {
    for (let y = 0; y < height; y++) {
      line.fill(0);
      rows[y].weights.forEach((weight, k) => {
        const start = (plane * image.height + rows[y].first + k) * width;
        for (let x = 0; x < width; x++) line[x] += weight * across.data[start + x];
      });
      made.data.set(line, (plane * height + y) * width);
    }
  }
  return made;
}

// The size in which a photo is dreamt on.
export function fittedSize(height, width, most, least = 0) {
  const longest = Math.max(height, width), wanted = Math.min(Math.max(longest, least), most || Math.max(longest, least));
  return [height, width].map(side => wanted === longest ? side : Math.max(1, rounded(side * wanted / longest)));
}

export const fit = (image, most, least) => {
  const size = fittedSize(image.height, image.width, most, least);
  return size[0] === image.height && size[1] === image.width ? image : clipped(resize(image, ...size));
};

export function octaveSizes(height, width, {octaves, octave_scale: scale}) {
  const fitting = Math.max(1, 1 + rounded(Math.log(Math.min(height, width) / 160) / Math.log(scale)));
  const sizes = Array.from({length: octaves || fitting}, (_, k) => [rounded(height / scale ** k), rounded(width / scale ** k)]);
  return sizes.filter(size => Math.min(...size) >= 1).reverse();
}

export function octaveSteps(steps, count) {
  if (!Array.isArray(steps)) return Array(count).fill(steps);
  return [...Array(Math.max(0, count - steps.length)).fill(steps[0]), ...steps.slice(-count)];
}

export function octaveStart(photo, dreamt, [height, width], blend) {
  const start = clipped(picture(height, width, resize(photo, height, width).data.slice()));
  if (!dreamt) return start;
  if (blend) {
    const before = resize(dreamt, height, width).data;
    start.data.forEach((value, i) => { start.data[i] = clip(blend * value + (1 - blend) * before[i]); });
    return start;
  }
  const small = resize(photo, dreamt.height, dreamt.width).data;
  const detail = picture(dreamt.height, dreamt.width, dreamt.data.map((value, i) => value - clip(small[i])));
  const added = resize(detail, height, width).data;
  start.data.forEach((value, i) => { start.data[i] = clip(value + added[i]); });
  return start;
}

// NumPy's random numbers: SeedSequence (O'Neill, 2015), PCG64, and Lemire's whole numbers in a range.
const M128 = (1n << 128n) - 1n, M64 = (1n << 64n) - 1n;

function seedWords(seed) {
  const pool = [0, 0, 0, 0], entropy = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)].map(word => word >>> 0);
  let hash = 0x43b0d7e5;
  const mixed = value => {
    value ^= hash;
    hash = Math.imul(hash, 0x931e8875);
    value = Math.imul(value, hash);
    return (value ^ value >>> 16) >>> 0;
  };
  for (let i = 0; i < 4; i++) pool[i] = mixed(entropy[i] || 0);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) {
      if (from === to) continue;
      const value = Math.imul(0xca01f9dd, pool[to]) - Math.imul(0x4973f715, mixed(pool[from])) | 0;
      pool[to] = (value ^ value >>> 16) >>> 0;
    }
  }
  hash = 0x8b51f9dd;
  return Array.from({length: 8}, (_, i) => {
    let value = pool[i % 4] ^ hash;
    hash = Math.imul(hash, 0x58f38ded);
    value = Math.imul(value, hash);
    return BigInt((value ^ value >>> 16) >>> 0);
  });
}

export function randomIntegers(seed, most, count) { // from -most to most
  const words = seedWords(seed), long = i => words[2 * i] | words[2 * i + 1] << 32n;
  const increment = ((long(2) << 64n | long(3)) << 1n | 1n) & M128;
  let state = 0n, kept = null;
  const step = () => { state = (state * 0x2360ed051fc65da44385df649fccf645n + increment) & M128; };
  step();
  state = (state + (long(0) << 64n | long(1))) & M128;
  step();
  const next32 = () => {
    if (kept !== null) { const word = kept; kept = null; return word; }
    step();
    const folded = state >> 64n ^ state & M64, turn = state >> 122n;
    const word = (folded >> turn | folded << (64n - turn)) & M64;
    kept = word >> 32n;
    return word & 0xffffffffn;
  };
  const range = BigInt(2 * most + 1), least = (1n << 32n) % range;
  return Array.from({length: count}, () => {
    if (!most) return 0;
    let product = next32() * range;
    while ((product & 0xffffffffn) < least) product = next32() * range;
    return Number(product >> 32n) - most;
  });
}

// The picture moved down and right, what leaves it on one side coming in on the other.
export function roll(image, down, right) {
  const {height, width, data} = image, made = picture(height, width);
  const x = (right % width + width) % width;
  for (let plane = 0; plane < 3; plane++) {
    for (let y = 0; y < height; y++) {
      const from = (plane * height + y) * width;
      const to = (plane * height + ((y + down) % height + height) % height) * width;
      made.data.set(data.subarray(from, from + width - x), to + x);
      made.data.set(data.subarray(from + width - x, from + width), to);
    }
  }
  return made;
}

// The mean of three Gaussians with half, one and two times sigma pixels, mirrored at the borders.
export function smooth(gradient, sigma) {
  const {height, width, data} = gradient, sum = picture(height, width), across = new Float32Array(data.length);
  const radius = Math.max(1, Math.ceil(4 * sigma)), margin = Math.min(radius, Math.min(height, width) - 1);
  const line = new Float64Array(width + 2 * margin), row = new Float64Array(width);
  const mirrored = (i, length) => i < 0 ? -i : i >= length ? 2 * length - 2 - i : i;
  for (const factor of [0.5, 1, 2]) {
    const bell = Float64Array.from({length: radius + 1}, (_, k) => Math.exp(-k * k / (2 * (factor * sigma) ** 2)));
    const total = bell.reduce((a, b) => a + 2 * b);
    const weights = bell.map(one => one / total).filter((one, k) => k <= margin && one > 1e-9); // less is lost in 32 bits
    for (let start = 0; start < data.length; start += width) {
      for (let x = -margin; x < width + margin; x++) line[x + margin] = data[start + mirrored(x, width)];
      for (let x = 0; x < width; x++) {
        let value = weights[0] * line[x + margin];
        for (let k = 1; k < weights.length; k++) value += weights[k] * (line[x + margin - k] + line[x + margin + k]);
        across[start + x] = value;
      }
    }
    // Down the columns, but a row at a time, since that is how a picture lies in memory.
    for (let plane = 0; plane < 3; plane++) {
      const startOf = y => (plane * height + mirrored(y, height)) * width;
      for (let y = 0; y < height; y++) {
        const start = startOf(y);
        for (let x = 0; x < width; x++) row[x] = weights[0] * across[start + x];
        for (let k = 1; k < weights.length; k++) {
          const above = startOf(y - k), below = startOf(y + k), weight = weights[k];
          for (let x = 0; x < width; x++) row[x] += weight * (across[above + x] + across[below + x]);
        }
        for (let x = 0; x < width; x++) sum.data[start + x] += row[x] / 3;
      }
    }
  }
  return sum;
}

// The covariance of a picture's colours, blended with free ones.
export function paletteMatrix({height, width, data}, strength, step = 1) {
  const area = height * width, mean = [0, 0, 0], sums = [[0, 0, 0], [0, 0, 0], [0, 0, 0]];
  let count = 0;
  const each = visit => {
    for (let y = 0; y < height; y += step) for (let x = 0; x < width; x += step) visit(y * width + x);
  };
  each(i => { count++; for (let c = 0; c < 3; c++) mean[c] += data[c * area + i]; });
  each(i => {
    for (let a = 0; a < 3; a++) {
      for (let b = 0; b < 3; b++) sums[a][b] += (data[a * area + i] - mean[a] / count) * (data[b * area + i] - mean[b] / count);
    }
  });
  const covariance = sums.map(row => row.map(one => one / Math.max(1, count - 1) + 1e-4));
  const trace = covariance[0][0] + covariance[1][1] + covariance[2][2];
  return covariance.map((row, a) => row.map((one, b) => strength * 3 * one / trace + (a === b ? 1 - strength : 0)));
}

function recolor(gradient, matrix) {
  const area = gradient.height * gradient.width, {data} = gradient;
  for (let i = 0; i < area; i++) {
    const [r, g, b] = [data[i], data[area + i], data[2 * area + i]];
    for (let c = 0; c < 3; c++) data[c * area + i] = r * matrix[0][c] + g * matrix[1][c] + b * matrix[2][c];
  }
}

// One step up the treated gradient, its standard deviation 1.
function move(image, gradient, recipe, sigma, colors) {
  if (sigma) gradient = smooth(gradient, sigma);
  if (recipe.palette) recolor(gradient, colors);
  const count = gradient.data.length;
  let mean = 0, square = 0;
  for (let i = 0; i < count; i++) mean += gradient.data[i] / count;
  for (let i = 0; i < count; i++) square += (gradient.data[i] - mean) ** 2 / count;
  if (!Number.isFinite(square)) throw new Error("The gradient is not a finite number; try a smaller strength.");
  const size = square ? recipe.step_size / Math.sqrt(square) : 0;
  for (let i = 0; i < count; i++) image.data[i] = clip(image.data[i] + size * gradient.data[i]);
}

// A dream on a photo; `gradientOf(image)` returns {gradient, value}; `after(...)` may stop it by returning true.
export async function dream(photo, recipe, gradientOf, after) {
  const image = fit(photo, recipe.max_side, recipe.min_side);
  const colors = paletteMatrix(image, recipe.palette);
  const sizes = octaveSizes(image.height, image.width, recipe), counts = octaveSteps(recipe.steps, sizes.length);
  const costs = sizes.map((size, k) => size[0] * size[1] * counts[k]), total = costs.reduce((a, b) => a + b);
  let dreamt = null, done = 0;
  for (let octave = 0; octave < sizes.length; octave++) {
    let now = octaveStart(image, dreamt, sizes[octave], recipe.blend), offset = [0, 0];
    const shifts = randomIntegers((recipe.seed + octave + 1) % 2 ** 53, recipe.jitter, 2 * counts[octave]);
    for (let step = 0; step < counts[octave]; step++) {
      const shift = shifts.slice(2 * step, 2 * step + 2);
      now = roll(now, shift[0] - offset[0], shift[1] - offset[1]);
      offset = shift;
      const {gradient, value} = await gradientOf(now);
      const growth = counts[octave] > 1 ? 1 + (recipe.smoothing_growth - 1) * step / (counts[octave] - 1) : 1;
      move(now, gradient, recipe, recipe.smoothing * growth, colors);
      dreamt = roll(now, -offset[0], -offset[1]);
      done += costs[octave] / counts[octave];
      const place = {octave: octave + 1, octaves: sizes.length, step: step + 1, steps: counts[octave], value};
      if (await after(dreamt, place, done / total)) return {dreamt, octaves: sizes.length, stopped: true};
    }
    dreamt = dreamt && dreamt.height === now.height && dreamt.width === now.width ? dreamt : now;
  }
  return {dreamt, octaves: sizes.length, stopped: false};
}

// An objective's text as two vectors for each layer, see gradient_graph in Python: {layer: {square, linear}}.
const TERM = /^\s*([+-])?\s*(?:(\d+(?:\.\d*)?(?:e[+-]?\d+)?)\s*\*\s*)?(\w+)\(([^()]*)\)/i;

export function readObjective(text, layers, classes) {
  const wishes = {}, known = Object.fromEntries(layers.map(layer => [layer.name, layer.channels]));
  const grow = (name, kind, first, last, weight) => {
    if (!(name in known)) throw new Error(`The page has no layer “${name}”; it has ${Object.keys(known).join(", ")}.`);
    if (!(last < known[name])) throw new Error(`${name} has the channels 0 to ${known[name] - 1}.`);
    const wish = wishes[name] ??= {square: new Float32Array(known[name]), linear: new Float32Array(known[name])};
    for (let c = first; c <= last; c++) wish[kind][c] += weight / (last - first + 1);
  };
  const words = {
    layer: (weight, name, norm = "mean") => grow(name, norm === "l2" ? "square" : "linear", 0, known[name] - 1 || 0, weight),
    channel: (weight, name, index) => grow(name, "linear", index, index, weight),
    channels: (weight, name, first, last) => grow(name, "linear", first, last, weight),
    logit: (weight, name) => {
      const index = typeof name === "number" ? name : classes.findIndex(one => one.toLowerCase() === name.toLowerCase());
      if (!(index >= 0)) throw new Error(`The network knows no “${name}”; choose a name from the list.`);
      grow("logits", "linear", index, index, weight);
    },
  };
  for (let rest = text; rest.trim();) {
    const found = TERM.exec(rest);
    if (!found || !(found[3] in words)) {
      throw new Error(`The page cannot read “${rest.trim().slice(0, 40)}”; it knows sums of layer, channel, channels and logit.`);
    }
    let given;
    try { given = JSON.parse(`[${found[4].replaceAll("'", '"')}]`); }
    catch { throw new Error(`The page cannot read “${found[0].trim()}”.`); }
    words[found[3]]((found[1] === "-" ? -1 : 1) * Number(found[2] ?? 1), ...given);
    rest = rest.slice(found[0].length);
  }
  if (!Object.keys(wishes).length) throw new Error('Say what to dream of, for instance layer("block10_add", "l2").');
  return wishes;
}
