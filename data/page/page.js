// The page: photos in, choices, pictures out. What is computed is computed in worker.js.
import {fittedSize, octaveSizes, readObjective} from "./ascent.js";
import {hasProfile, isPng, pictureHash, readNote, textHash, withNote} from "./notes.js";

const get = id => document.getElementById(id);
const canvas = get("picture"), error = get("error"), status = get("status"), progress = get("progress");
const LARGEST = 4096; // pixels a side; larger photos are shrunk by the browser first, to spare its memory

const manifest = await (await fetch("page.json")).json();
manifest.wanted = new URLSearchParams(location.search).get("runtime") ?? undefined;
const worker = new Worker(new URL("worker.js", import.meta.url), {type: "module"});
worker.postMessage({type: "begin", manifest});

let photo = null;            // {name, pixels, height, width, hash, size}: as read, and its size before that
let shown = null;            // what can be downloaded: {pixels, height, width, record, word}
let job = null;              // what the worker is doing
let recipe = null, word = "";  // what to dream of, and its name for a file

// A screen reader reads aloud what is said, so that what changes from step to step is only noted.
function say(text) {
  if (status.textContent !== text) status.textContent = text;
  note("");
}
const note = text => { get("steps").textContent = text; };
function complain(text) { error.textContent = text; }
function draw({pixels, height, width}, what) {
  Object.assign(canvas, {width, height});
  canvas.getContext("2d").putImageData(new ImageData(pixels, width), 0, 0);
  canvas.setAttribute("aria-label", what);
}

// One job at a time: resolves with what the worker made, and tells of its progress.
function ask(message, hear = () => {}) {
  return new Promise((resolve, reject) => {
    job = message;
    worker.onmessage = ({data}) => {
      if (data.type === "wait") {
        progress.hidden = false;
        if (data.share < 1) progress.value = data.share;
        else progress.removeAttribute("value"); // how long it takes to get ready is not known
        say(data.share < 1 ? `Loading ${data.what} …` : `Getting ${data.what} ready …`);
        note(data.share < 1 ? `${Math.round(100 * data.share)} %` : "");
      } else if (data.type === "step") hear(data);
      else {
        job = null;
        progress.hidden = true;
        if (data.type === "failed") reject(new Error(data.message));
        else resolve(data);
      }
    };
    worker.postMessage(message);
  });
}

worker.onerror = event => complain(`Something went wrong: ${event.message ?? "the worker cannot start"}`);

// ---- photos

async function takePhoto(blob, name, credit = "") {
  complain("");
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let bitmap;
  try { bitmap = await createImageBitmap(blob); }
  catch {
    const heic = String.fromCharCode(...bytes.subarray(4, 8)) === "ftyp";
    return complain(`${name} is not a picture that this browser can read${heic ? "; save it as JPEG first" : ""}. Your photo has not changed.`);
  }
  const note = readNote(bytes);
  if (note) return takeRecipe(note.recipe, note.kind, name);
  const size = [bitmap.height, bitmap.width], [height, width] = fittedSize(...size, LARGEST);
  const drawn = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
  drawn.drawImage(bitmap, 0, 0, width, height);
  const pixels = drawn.getImageData(0, 0, width, height).data;
  // Browsers decode a JPEG a little differently, so that only a PNG's pixels are surely those that Python reads.
  const exact = isPng(bytes) && !hasProfile(bytes) && height === size[0] && pixels.every((value, i) => i % 4 < 3 || value === 255);
  get("credit").textContent = credit;
  if (!credit) for (const one of document.querySelectorAll("[name=photo]:checked")) one.checked = false; // it is the visitor's
  photo = {name, pixels, height, width, size, hash: exact ? await pictureHash(pixels, height, width) : ""};
  showPhoto();
  const most = Number(get("size").value);
  const shrunk = Math.max(...size) > most ? ` It has ${size[1]}x${size[0]} pixels, so it will be shrunk to ${fittedSize(...size, most).reverse().join("x")}; choose a larger Size to keep more of it.` : "";
  say(`${name} is ready.${shrunk}`);
  if (!get("panel-filter").hidden) filterPhoto();
}

function showPhoto() {
  const [height, width] = fittedSize(photo.height, photo.width, 1024);
  const drawn = new OffscreenCanvas(photo.width, photo.height);
  drawn.getContext("2d").putImageData(new ImageData(photo.pixels, photo.width), 0, 0);
  Object.assign(canvas, {width, height});
  canvas.getContext("2d").drawImage(drawn, 0, 0, width, height);
  canvas.setAttribute("aria-label", `The photo ${photo.name}`);
  shown = null;
  ready();
}

function ready() {
  const live = source() !== "photo" && !get("panel-filter").hidden;
  get("start").disabled = Boolean(job || films.running) || !(photo || live);
  get("stop").disabled = !(job?.type === "dream" || films.running);
  for (const id of ["photo-again", "download"]) get(id).disabled = !shown || job?.type === "dream" || id === "photo-again" && !shown.photo;
}

function takeRecipe(given, kind, name) {
  if (kind === "filter") {
    const parts = given.filter.split(",").map(part => part.split("="));
    if (parts.length > 2 || !parts.every(([one]) => one in manifest.filters)) return complain(`${name} was made by the filter ${given.filter}, which this page does not have.`);
    openTab("filter");
    document.querySelector(`[name=filter][value="${parts[0][0]}"]`).checked = true;
    get("second").value = parts[1]?.[0] ?? "";
    const [first, second] = parts.map(([, weight]) => Number(weight ?? 1));
    setKnob("share", second ? second / (first + second) : 0.5);
    setKnob("filter-strength", given.strength * (second ? first + second : first));
    get("share").disabled = !second;
    say(`The filter of ${name} is set.`);
    return photo && filterPhoto();
  }
  const wrong = kind !== "dream" ? `a ${kind}` : given.network !== manifest.network.name ? `the network ${given.network}`
    : given.pyramid ? "a pyramid of the gradient" : given.parameterization === "fourier" ? "Fourier space"
    : given.transformations ? "transformations" : given.cures?.length ? "a cure of its own" : given.pooling === "average" ? "another pooling" : "";
  if (wrong) return complain(`The recipe in ${name} uses ${wrong}, which this page cannot do; the command deepdream can.`);
  try { readObjective(given.objective, manifest.layers, manifest.classes); }
  catch (problem) { return complain(`The recipe in ${name} cannot be followed here. ${problem.message}`); }
  openTab("dream");
  setRecipe({...given}, "recipe");
  for (const one of document.querySelectorAll("[name=wish]:checked")) one.checked = false;
  setKnob("strength", 1);
  const sizes = [...get("size").options].map(one => Number(one.value));
  if (!sizes.includes(given.max_side)) get("size").add(new Option(`${given.max_side || LARGEST} pixels`, given.max_side || LARGEST));
  get("size").value = given.max_side || LARGEST;
  say(`The recipe inside ${name} is set: ${given.objective}. Press Dream to follow it on your photo.`);
}

async function takeFile(file) {
  if (!file) return;
  if (job?.type === "dream") return complain("Stop the dream first, then choose another photo.");
  if (file.type.startsWith("video/")) { openTab("filter"); return films.play(file); }
  await takePhoto(file, file.name || "The pasted picture");
}

get("file").addEventListener("change", event => { takeFile(event.target.files[0]); event.target.value = ""; });
addEventListener("paste", event => takeFile([...event.clipboardData.files][0]));
for (const [kind, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  addEventListener(kind, event => {
    event.preventDefault();
    document.body.classList.toggle("over", over);
    if (kind === "drop") takeFile(event.dataTransfer.files[0]);
  });
}

// ---- tiles, knobs, tabs

function tile(place, group, value, text, image, alt, chosen) {
  const label = document.createElement("label"), input = Object.assign(document.createElement("input"), {type: "radio", name: group, value, className: "unseen"});
  label.append(input, Object.assign(document.createElement("img"), {src: image, alt: "", loading: "lazy", width: 120, height: 90}), text);
  if (alt) label.title = alt;
  input.addEventListener("change", () => {
    if (group === "wish") get("class").value = "";
    chosen(value);
  });
  get(place).append(label);
  return input;
}

const rangeOf = id => get(id).parentElement.querySelector("output");
function setKnob(id, value) { get(id).value = value; rangeOf(id).textContent = Number(get(id).value).toFixed(2); }
for (const id of ["strength", "share", "filter-strength"]) {
  setKnob(id, get(id).value);
  get(id).addEventListener("input", () => setKnob(id, get(id).value));
}

function openTab(name) {
  for (const one of ["dream", "filter"]) {
    const chosen = one === name;
    get(`panel-${one}`).hidden = !chosen;
    get(`tab-${one}`).setAttribute("aria-selected", chosen);
    get(`tab-${one}`).tabIndex = chosen ? 0 : -1;
  }
  if (name === "dream") films.end();
  get("start").textContent = name === "dream" ? "Dream" : source() === "photo" ? "Filter" : "Start";
  ready();
}
for (const name of ["dream", "filter"]) {
  get(`tab-${name}`).addEventListener("click", () => { openTab(name); if (name === "filter" && photo && source() === "photo") filterPhoto(); });
  get(`tab-${name}`).addEventListener("keydown", event => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    const other = get(name === "dream" ? "tab-filter" : "tab-dream");
    other.click();
    other.focus();
  });
}

// ---- what to dream of

function setRecipe(settings, name) {
  recipe = settings;
  word = name;
  for (const one of manifest.settings) get(`set-${one.name}`).value = settings[one.name];
}

for (const {name, label, help, least, most, step} of manifest.settings) {
  const input = Object.assign(document.createElement("input"), {id: `set-${name}`, title: help});
  if (step) Object.assign(input, {type: "number", min: least, max: most, step: "any"});
  input.addEventListener("change", () => {
    const numbers = input.value.split(",").map(Number), value = step ? Number(input.value) : name === "steps" ? numbers.length > 1 ? numbers : numbers[0] : input.value;
    const fine = [value].flat().every(one => typeof one === "string" || Number.isFinite(one) && one >= least && one <= most) && input.value !== "";
    complain(fine ? "" : `${label} is a number from ${least} to ${most}.`);
    if (fine) recipe[name] = value;
    else input.value = recipe[name];
  });
  const row = Object.assign(document.createElement("label"), {className: "knob"});
  row.append(label, input);
  get("settings").append(row);
}

const usual = () => ({...manifest.recipes.default});
for (const name of Object.keys(manifest.recipes)) {
  const called = name === "default" ? "animals" : name; // the course's word tells a visitor nothing
  tile("recipes", "wish", name, called, `pictures/recipe-${name}.jpg`, `The recipe ${name}: ${manifest.recipes[name].objective}`, () => setRecipe({...manifest.recipes[name]}, name));
}
for (const {name, shown: offered} of manifest.layers) {
  if (offered) tile("layers", "wish", `layer ${name}`, name, `pictures/layer-${name}.jpg`, "", () => setRecipe({...usual(), objective: `layer("${name}", "l2")`}, name));
}
get("classes").append(...manifest.classes.map(name => new Option(name, name)));
get("class").addEventListener("change", event => {
  const name = event.target.value.trim(), known = manifest.classes.find(one => one.toLowerCase() === name.toLowerCase());
  if (!name) return;
  if (!known) {
    const near = manifest.classes.filter(one => one.toLowerCase().includes(name.toLowerCase())).slice(0, 5);
    return complain(`The network knows no “${name}”${near.length ? `, but ${near.join(", ")}` : "; the list shows what it knows"}.`);
  }
  complain("");
  for (const one of document.querySelectorAll("[name=wish]:checked")) one.checked = false;
  setRecipe({...manifest.recipes.castle, objective: manifest.recipes.castle.objective.replace("castle", known)}, known.replaceAll(" ", "-"));
  say(`Press Dream to dream of “${known}”.`);
});

// ---- the dream

async function startDream() {
  complain("");
  const size = Number(get("size").value), strength = Number(get("strength").value);
  const settings = {...recipe, max_side: size, step_size: recipe.step_size * strength};
  const given = {type: "dream", pixels: photo.pixels, height: photo.height, width: photo.width, recipe: settings};
  try {
    readObjective(settings.objective, manifest.layers, manifest.classes);
    say("The dream begins.");
    const asked = ask(given, ({pixels, height, width, place, share}) => {
      draw({pixels, height, width}, `The dream under way, size ${place.octave} of ${place.octaves}`);
      progress.hidden = false;
      progress.value = share;
      say(`Dreaming at ${pixels.length / 4 / height}x${height} pixels, size ${place.octave} of ${place.octaves}.`);
      note(`Step ${place.step} of ${place.steps}`);
    });
    const here = document.activeElement === get("start"); // a disabled button would lose the focus
    ready();
    if (here) get("stop").focus({preventScroll: true});
    const made = await asked;
    draw(made, `The dream of ${photo.name}: ${word}`);
    const record = {deepdream: 1, kind: "dream", recipe: {...settings, octaves: made.octaves}, fingerprint: manifest.network.fingerprint};
    // What was stopped is no picture that its recipe makes, so that it carries none.
    keep(made, made.stopped ? null : record, word);
    const {values} = made, gain = values.length > 1 ? `; the objective went from ${values[0].toPrecision(3)} to ${values.at(-1).toPrecision(3)}` : "";
    say(made.stopped ? "Stopped. Download keeps the picture as it is." : `Done in ${made.seconds.toFixed(1)} s. Download keeps the picture${size < 640 ? "; a larger Size shows more detail" : ""}.`);
    if (!made.stopped) note(`Computed ${where(made)}${gain}.`);
    canvas.dataset.made = JSON.stringify({values, seconds: made.seconds, kind: made.kind});
  } catch (problem) { complain(problem.message); say(""); }
  const there = [get("stop"), document.body].includes(document.activeElement);
  ready();
  if (there) get("start").focus({preventScroll: true});
}

const where = ({kind, threads}) => kind === "webgpu" ? "on the graphics card" : `on the processor, ${threads === 1 ? "one thread" : `${threads} threads`}`;

function keep({pixels, height, width}, record, name) {
  shown = {pixels, height, width, record, word: name, photo};
  again(false);
  ready();
}

function again(photoShown) {
  get("photo-again").setAttribute("aria-pressed", photoShown);
  get("photo-again").textContent = photoShown ? "Show the dream" : "Show the photo";
}
get("photo-again").addEventListener("click", () => {
  const wanted = get("photo-again").getAttribute("aria-pressed") !== "true", kept = shown;
  if (wanted) showPhoto();
  else draw(kept, `The dream of ${photo.name}`);
  shown = kept;
  again(wanted);
  ready();
});

get("download").addEventListener("click", async () => {
  const {pixels, height, width, record, word: name, photo: from} = shown, drawn = new OffscreenCanvas(width, height);
  drawn.getContext("2d").putImageData(new ImageData(pixels, width), 0, 0);
  let bytes = new Uint8Array(await (await drawn.convertToBlob({type: "image/png"})).arrayBuffer());
  if (record) {
    const made = {...record, photo: from?.hash ?? "", photo_size: from?.size ?? [height, width], versions: manifest.versions, pictures: {}};
    bytes = withNote(bytes, JSON.stringify(made));
  }
  const link = document.createElement("a");
  link.download = `${(from?.name ?? "camera").replace(/\.\w+$/, "")}.${name}.png`;
  link.href = URL.createObjectURL(new Blob([bytes], {type: "image/png"}));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
});

// ---- filters

const source = () => document.querySelector("[name=source]:checked").value;
for (const name of Object.keys(manifest.filters)) {
  tile("filters", "filter", name, name, `pictures/filter-${name}.jpg`, "", () => filterPhoto()).checked = name === Object.keys(manifest.filters)[0];
  get("second").add(new Option(name, name));
}

function mixture() {
  const first = document.querySelector("[name=filter]:checked").value, second = get("second").value, share = Number(get("share").value);
  get("share").disabled = !second;
  const weights = second && second !== first ? {[first]: Number((1 - share).toFixed(2)), [second]: share} : {[first]: 1};
  return Object.fromEntries(Object.entries(weights).filter(([, weight]) => weight > 0));
}

async function filterRecord(weights, strength, most) {
  const names = Object.entries(weights), print = name => manifest.filters[name].fingerprint;
  const number = value => Number.isInteger(value) ? `${value}.0` : `${value}`; // as Python writes it
  const mixed = `[${names.map(([name, weight]) => `["${print(name)}", ${number(weight)}]`).join(", ")}]`;
  const single = names.length === 1;
  return {deepdream: 1, kind: "filter", recipe: {filter: single ? names[0][0] : names.map(([name, weight]) => `${name}=${weight}`).join(","), strength, max_side: most, passes: 1},
          fingerprint: single ? print(names[0][0]) : await textHash(new TextEncoder().encode(mixed))};
}

let waiting = false;
async function filterPhoto() {
  if (source() !== "photo" || !photo) return;
  if (job) { waiting = true; return; } // what was chosen meanwhile comes next
  complain("");
  const weights = mixture(), strength = Number(get("filter-strength").value), most = 512, from = photo;
  try {
    const asked = ask({type: "filter", pixels: photo.pixels, height: photo.height, width: photo.width, weights, strength, live: false, most});
    ready();
    const made = await asked;
    if (photo === from && !get("panel-filter").hidden) { // or else it comes too late
      draw(made, `${photo.name} through ${Object.keys(weights).join(" and ")}`);
      keep(made, await filterRecord(weights, strength, most), Object.keys(weights).join("+"));
      say(`Filtered in ${made.seconds.toFixed(2)} s, ${where(made)}.`);
    }
  } catch (problem) { complain(problem.message); }
  ready();
  if (waiting) { waiting = false; filterPhoto(); }
}
for (const id of ["second", "share", "filter-strength"]) get(id).addEventListener("change", () => { mixture(); filterPhoto(); });

// A camera or a film: picture after picture, as fast as they are made.
const films = {
  running: false, video: Object.assign(document.createElement("video"), {muted: true, playsInline: true, loop: true}),
  async play(file) {
    complain("");
    this.end();
    document.querySelector(`[name=source][value=${file ? "film" : "camera"}]`).checked = true;
    get("film-button").hidden = !file;
    if (file) this.video.src = URL.createObjectURL(file);
    else {
      try { this.video.srcObject = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 640}, height: {ideal: 480}}}); }
      catch (problem) {
        return complain(problem.name === "NotAllowedError" ? "The page may not use the camera; allow it in the browser's settings for this page."
          : "There is no camera that this page can use.");
      }
    }
    try { await this.video.play(); }
    catch { this.end(); return complain(`${file?.name ?? "The camera"} cannot be played by this browser.`); }
    this.running = true;
    ready();
    this.loop();
  },
  async loop() {
    const begun = performance.now();
    let count = 0;
    while (this.running) {
      const upright = this.video.videoHeight > this.video.videoWidth, [width, height] = upright ? [192, 256] : [256, 192];
      const drawn = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
      drawn.drawImage(this.video, 0, 0, width, height);
      const {data: pixels} = drawn.getImageData(0, 0, width, height);
      const weights = mixture(), strength = Number(get("filter-strength").value);
      try {
        const made = await ask({type: "filter", pixels, height, width, weights, strength, live: true, most: 0});
        if (!this.running) break;
        draw(made, `Moving pictures through ${Object.keys(weights).join(" and ")}`);
        Object.assign(canvas.style, {aspectRatio: `${this.video.videoWidth} / ${this.video.videoHeight}`, objectFit: "fill"});
        count += 1;
        const rate = (1 / made.seconds).toFixed(0);
        say(`The filter runs ${where(made)}.`);
        note(`About ${rate} pictures a second`);
        canvas.dataset.rate = rate;
        keep(made, await filterRecord(weights, strength, 1024), Object.keys(weights).join("+"));
        shown.photo = null;
        ready();
        await new Promise(requestAnimationFrame);
      } catch (problem) { complain(problem.message); this.end(); }
    }
    canvas.dataset.seconds = (performance.now() - begun) / 1000;
  },
  end() {
    if (!this.running && !this.video.srcObject) return;
    this.running = false;
    for (const track of this.video.srcObject?.getTracks() ?? []) track.stop();
    this.video.pause();
    this.video.srcObject = null;
    Object.assign(canvas.style, {aspectRatio: "", objectFit: ""});
    say("Stopped. Download keeps the last picture.");
    ready();
  },
};
for (const one of document.querySelectorAll("[name=source]")) one.addEventListener("change", () => {
  films.end();
  get("film-button").hidden = source() !== "film";
  get("start").textContent = source() === "photo" ? "Filter" : "Start";
  if (source() === "photo") filterPhoto();
  ready();
});
get("film").addEventListener("change", event => { takeFile(event.target.files[0]); event.target.value = ""; });

// ---- begin

get("start").addEventListener("click", () => {
  if (get("panel-filter").hidden) startDream();
  else if (source() === "photo") filterPhoto();
  else if (source() === "camera") films.play();
  else get("film").click();
});
get("stop").addEventListener("click", () => { films.end(); worker.postMessage({type: "stop"}); });

for (const {name, file, credit} of manifest.photos) {
  tile("photos", "photo", name, name, file, credit, async () => {
    if (job?.type === "dream") return complain("Stop the dream first, then choose another photo.");
    await takePhoto(await (await fetch(file)).blob(), file.split("/").pop(), credit);
  });
}
document.querySelector("[name=wish][value=default]").click();
document.querySelector("[name=photo]").click();
