// A visitor's picture: fetched once, shown, and kept by him if he likes. It is his while he is served.

import { send } from "./api.js";
import { by, show } from "./dom.js";

const KINDS = { "image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif" };

let shown = ""; // where it is from
let url = "";

export async function open(path, token) {
  if (shown === path) return;
  close();
  shown = path;
  const response = await send(path, { headers: { accept: "image/*" } });
  const blob = await response.blob();
  if (shown !== path) return;
  const kind = KINDS[blob.type.split(";")[0]] ?? "img";
  url = URL.createObjectURL(blob);
  const image = by("picture");
  image.src = url;
  image.alt = kind === "svg" ? described(await blob.text()) : `The picture of ${token}`;
  const link = by("download");
  link.href = url;
  link.download = `kitten-${token}.${kind}`;
  show(image, true);
  show(by("nobody"), false);
  show(by("download-png"), kind === "svg");
}

export function close() {
  if (url) URL.revokeObjectURL(url);
  shown = url = "";
  const image = by("picture");
  image.removeAttribute("src");
  image.alt = "";
  by("download").removeAttribute("href");
  show(image, false);
  show(by("nobody"), true);
}

// Let the visitor keep it as PNG.
export async function keepPng(token) {
  const joint = shown.includes("?") ? "&" : "?";
  const response = await send(`${shown}${joint}format=png&download=1`, { headers: { accept: "image/png" } });
  const made = URL.createObjectURL(await response.blob());
  const link = Object.assign(document.createElement("a"), { href: made, download: `kitten-${token}.png` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(made), 60_000);
}

function described(svg) {
  const title = new DOMParser().parseFromString(svg, "image/svg+xml").querySelector("title");
  return title?.textContent || "Your kitten";
}
