// Computes dreams and filters off the page, so that the page stays awake. It loads what it needs when it is asked for.
import {clip, dream, fit, fromPixels, paletteMatrix, picture, readObjective, resize, toPixels} from "./ascent.js";

const at = file => new URL(file, import.meta.url).href;
const tell = (message, ...handed) => self.postMessage(message, handed);
const files = {}, sessions = {};
let manifest, stopped = false;

// The bytes of files, as one wait with its progress.
async function load(what, wanted) {
  const missing = wanted.filter(one => !files[one.file]), total = missing.reduce((sum, one) => sum + one.bytes, 0);
  let done = 0;
  for (const one of missing) {
    const answer = await fetch(at(one.file)).catch(() => ({}));
    if (!answer.ok) throw new Error(`The file ${one.file} cannot be loaded; are you online?`);
    const parts = [], reader = answer.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      tell({type: "wait", what, share: (done += part.value.length) / total});
    }
    files[one.file] = await unpacked(new Blob(parts), one.planes);
  }
  return wanted.map(one => files[one.file]);
}

// A gzip file; with `planes`, the first bytes of all numbers come first, then the second ones: so they pack better.
async function unpacked(blob, planes = 1) {
  const mark = new Uint8Array(await blob.slice(0, 2).arrayBuffer()); // a server may have unpacked it already
  const plain = mark[0] === 0x1f && mark[1] === 0x8b ? blob.stream().pipeThrough(new DecompressionStream("gzip")) : blob.stream();
  const bytes = new Uint8Array(await new Response(plain).arrayBuffer());
  if (planes === 1) return bytes;
  const made = new Uint8Array(bytes.length), count = bytes.length / planes;
  for (let k = 0; k < planes; k++) for (let i = 0; i < count; i++) made[i * planes + k] = bytes[k * count + i];
  return made;
}

// ONNX Runtime: on the graphics card where the browser has WebGPU and can wait for it, else on the processor.
let runtime;
async function started(wanted) {
  if (runtime && (!wanted || runtime.kind === wanted)) return runtime;
  const adapter = "Suspending" in WebAssembly ? await navigator.gpu?.requestAdapter().catch(() => null) : null;
  const usable = adapter && !adapter.info?.isFallbackAdapter;
  const kind = wanted ?? (usable ? "webgpu" : "wasm"), {module, loader, binary} = manifest.runtime[kind];
  const [wasmBinary] = await load("the runtime", [binary]);
  const ort = await import(at(module));
  const threads = self.crossOriginIsolated ? Math.min(4, Math.ceil(navigator.hardwareConcurrency / 2)) : 1;
  Object.assign(ort.env.wasm, {wasmBinary, wasmPaths: {mjs: at(loader)}, numThreads: threads});
  return runtime = {ort, kind, threads};
}

// The session of a name; `what` says to the visitor what it is.
async function session(name, what, graph, weights) {
  const {ort, kind} = await started(manifest.wanted);
  if (sessions[name]) return sessions[name];
  const [model, ...data] = await load(what, [graph, ...weights]);
  const externalData = weights.map((one, k) => ({path: one.path, data: data[k]}));
  tell({type: "wait", what, share: 1});
  try {
    return sessions[name] = await ort.InferenceSession.create(model, {executionProviders: [kind], externalData, logSeverityLevel: 3});
  } catch (error) {
    if (kind !== "webgpu") throw error;
    manifest.wanted = "wasm"; // a graphics card that cannot do it
    runtime = null;
    return session(name, what, graph, weights);
  }
}

// {gradient, value} of pictures for an objective.
async function climber(objective) {
  const wishes = readObjective(objective, manifest.layers, manifest.classes);
  const depth = Math.max(...Object.keys(wishes).map(name => manifest.layers.findIndex(layer => layer.name === name)));
  const layers = manifest.layers.slice(0, depth + 1), last = layers[depth];
  for (const name in sessions) if (name.startsWith("the network") && !name.endsWith(last.name)) {
    await sessions[name].release();
    delete sessions[name];
  }
  const made = await session(`the network as far as ${last.name}`, "the network", last.graph, layers.flatMap(layer => layer.weights));
  const {ort} = runtime, feeds = {};
  for (const {name, channels} of layers) {
    const {square, linear} = wishes[name] ?? {square: new Float32Array(channels), linear: new Float32Array(channels)};
    feeds[`${name}.square`] = new ort.Tensor("float32", square.map(one => one), [1, channels, 1, 1]);
    feeds[`${name}.linear`] = new ort.Tensor("float32", linear, [1, channels, 1, 1]);
  }
  return async image => {
    const shape = [1, 3, image.height, image.width];
    const {gradient, value} = await made.run({...feeds, image: new ort.Tensor("float32", image.data, shape)});
    return {gradient: picture(image.height, image.width, await gradient.getData()), value: (await value.getData())[0]};
  };
}

function send(type, image, more) {
  const pixels = toPixels(image);
  tell({type, pixels, height: image.height, width: image.width, ...more}, pixels.buffer);
}

// Lets messages in, a stop among them.
const pause = () => new Promise(resolve => {
  const {port1, port2} = new MessageChannel();
  port1.onmessage = resolve;
  port2.postMessage(0);
});

async function makeDream({pixels, height, width, recipe}) {
  stopped = false;
  const gradientOf = await climber(recipe.objective), begun = performance.now(), values = [];
  const after = async (image, place, share) => {
    values.push(place.value);
    send("step", image, {place, share});
    await pause();
    return stopped;
  };
  const made = await dream(fromPixels(pixels, height, width), recipe, gradientOf, after);
  const seconds = (performance.now() - begun) / 1000;
  send("made", made.dreamt ?? fit(fromPixels(pixels, height, width), recipe.max_side, recipe.min_side), {
    octaves: made.octaves, stopped: made.stopped, values, seconds, kind: runtime.kind, threads: runtime.threads});
}

// A filter's dream of a picture: made at one of its sizes, and its change laid over the picture.
async function filtered(name, image, live) {
  const filter = manifest.filters[name], fits = filter.graphs.filter(graph => graph.live === live);
  const shape = image.height / image.width;
  const graph = fits.sort((a, b) => Math.abs(Math.log(a.height / a.width / shape)) - Math.abs(Math.log(b.height / b.width / shape)))[0];
  const made = await session(`the filter ${name}, ${graph.width}x${graph.height}`, `the filter ${name}`, graph, filter.weights);
  const {ort} = runtime, {height, width} = graph, area = height * width, small = resize(image, height, width);
  const photo = new Float32Array(3 * area);
  for (let c = 0; c < 3; c++) for (let i = 0; i < area; i++) photo[3 * i + c] = clip(small.data[c * area + i]);
  const step = Math.max(1, Math.floor(Math.min(height, width) / 128));
  const colors = Float32Array.from(paletteMatrix(small, filter.palette, step).flat());
  const found = await made.run({photo: new ort.Tensor("float32", photo, [1, height, width, 3]),
                                colors: new ort.Tensor("float32", colors, [1, 3, 3])});
  const values = await found[made.outputNames[0]].getData(), change = picture(height, width);
  for (let c = 0; c < 3; c++) for (let i = 0; i < area; i++) change.data[c * area + i] = values[3 * i + c] - photo[3 * i + c];
  return resize(change, image.height, image.width).data;
}

async function makeFiltered({pixels, height, width, weights, strength, live, most}) {
  const begun = performance.now(), image = fit(fromPixels(pixels, height, width), most);
  const made = picture(image.height, image.width, image.data.slice());
  for (const [name, weight] of Object.entries(weights)) {
    const change = await filtered(name, image, live);
    for (let i = 0; i < change.length; i++) made.data[i] += strength * weight * change[i];
  }
  send("made", made, {seconds: (performance.now() - begun) / 1000, kind: runtime.kind, threads: runtime.threads});
}

// For the tests, and for the curious: the gradient of an objective on a picture.
async function tellGradient({pixels, height, width, objective}) {
  const {gradient, value} = await (await climber(objective))(fromPixels(pixels, height, width));
  tell({type: "made", gradient: gradient.data, value});
}

const jobs = {dream: makeDream, filter: makeFiltered, gradient: tellGradient};

self.onmessage = async ({data}) => {
  if (data.type === "stop") { stopped = true; return; }
  if (data.type === "begin") { manifest = data.manifest; return; }
  try { await jobs[data.type](data); }
  catch (error) {
    const memory = /memory|alloc|bad_alloc|out of bounds/i.test(error?.message ?? String(error));
    tell({type: "failed", message: memory ? "The browser has not enough memory for this size; choose a smaller one." : error?.message ?? String(error)});
  }
};
