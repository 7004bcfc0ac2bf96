// The note in a picture file: where deepdream_nb keeps the recipe, the EXIF field ImageDescription, as UTF-8.
const text = bytes => new TextDecoder().decode(bytes);
const letters = (bytes, from, count = 4) => String.fromCharCode(...bytes.subarray(from, from + count));

function described(exif) {
  if (letters(exif, 0) === "Exif") exif = exif.subarray(6);
  const view = new DataView(exif.buffer, exif.byteOffset, exif.length), little = letters(exif, 0, 2) === "II";
  const start = view.getUint32(4, little);
  for (let k = 0; k < view.getUint16(start, little); k++) {
    const entry = start + 2 + 12 * k, size = view.getUint32(entry + 4, little);
    if (view.getUint16(entry, little) !== 0x010e) continue;
    const from = size > 4 ? view.getUint32(entry + 8, little) : entry + 8;
    return text(exif.subarray(from, from + size)).replace(/\0+$/, "");
  }
  return null;
}

function* pngChunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let from = 8; from + 12 <= bytes.length;) {
    const size = view.getUint32(from);
    yield {kind: letters(bytes, from + 4), data: bytes.subarray(from + 8, from + 8 + size)};
    from += size + 12;
  }
}

export const isPng = bytes => letters(bytes, 1, 3) === "PNG";

export const hasProfile = bytes => [...pngChunks(bytes)].some(chunk => chunk.kind === "iCCP");

// The record in the bytes of a PNG, JPEG or WebP; null where there is none.
export function readNote(bytes) {
  try {
    let note = null;
    if (isPng(bytes)) {
      for (const {kind, data} of pngChunks(bytes)) {
        if (kind === "eXIf") note = described(data);
        if (kind === "tEXt" && letters(data, 0, 10) === "deepdream\0") note = text(data.subarray(10));
        if (kind === "iTXt" && letters(data, 0, 10) === "deepdream\0") note = text(data.subarray(14));
      }
    } else {
      const webp = letters(bytes, 8) === "WEBP", mark = webp ? "EXIF" : "Exif";
      for (let k = 0; k + 4 < bytes.length && note === null; k++) {
        if (bytes[k] === 0x45 && letters(bytes, k) === mark) note = described(bytes.subarray(webp ? k + 8 : k));
      }
    }
    const found = note && JSON.parse(note);
    return found?.deepdream === 1 && found.recipe ? found : null;
  } catch { return null; } // a note of another program, or a damaged one
}

function crc(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let k = 0; k < 8; k++) sum = sum & 1 ? sum >>> 1 ^ 0xedb88320 : sum >>> 1;
  }
  return ~sum >>> 0;
}

// The bytes of a PNG with a note inside, right behind its header.
export function withNote(png, note) {
  const said = new TextEncoder().encode(`${note}\0`), chunk = new Uint8Array(12 + 26 + said.length);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, 26 + said.length);
  chunk.set([..."eXIfMM\0*"].map(letter => letter.charCodeAt(0)), 4);
  view.setUint32(12, 8); // where the one directory begins, which has one entry: a text, its length, its place
  [1, 0x010e, 2].forEach((value, k) => view.setUint16(16 + 2 * k, value));
  view.setUint32(22, said.length);
  view.setUint32(26, 26);
  chunk.set(said, 34);
  view.setUint32(34 + said.length, crc(chunk.subarray(4, 34 + said.length)));
  const made = new Uint8Array(png.length + chunk.length);
  made.set(png.subarray(0, 33));
  made.set(chunk, 33);
  made.set(png.subarray(33), 33 + chunk.length);
  return made;
}

// As `image_hash` in Python; empty where the browser has no sha256, as on a page without https.
export async function pictureHash(pixels, height, width) {
  if (!globalThis.crypto?.subtle) return "";
  const rgb = pixels.filter((_, i) => i % 4 < 3), head = new TextEncoder().encode(`(${height}, ${width}, 3)`);
  const all = new Uint8Array(head.length + rgb.length);
  all.set(head);
  all.set(rgb, head.length);
  return textHash(all);
}

export async function textHash(bytes) {
  if (!globalThis.crypto?.subtle) return "";
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...sum].map(byte => byte.toString(16).padStart(2, "0")).join("");
}
