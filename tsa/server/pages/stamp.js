// Stamping: file → digest → TimeStampReq → TimeStampResp, of which the reader gets a NAME.tsr.
import { ask } from "./ask.js";
import { hex, newNonce, readStatus, readTstInfo, timeStampReq } from "./der.js";
import { digestOf } from "./digest.js";
import { Problem, trouble } from "./problem.js";
import { actions, announce, banner, button, code, el, facts, icon, instant, progress, size } from "./view.js";

const options = document.getElementById("stamp-options");
const algorithmChoice = document.getElementById("algorithm");
const appKey = document.getElementById("app-key");
const results = document.getElementById("stamped");

let queue = Promise.resolve(); // one file at a time: two at once would only share the same disk

/** Stamp these files in turn; each gets a card that says how it goes. */
export function stampFiles(files) {
  for (const file of files) {
    const body = el("div", {}, el("p", { class: "soft", word: "waiting" }));
    const name = el("h3", { class: "file" }, icon("file"), el("span", {}, file.name), el("small", {}, size(file.size)));
    results.append(el("article", { class: "card", "aria-label": file.name }, name, body));
    enqueue(file, body);
  }
}

function enqueue(file, body) {
  queue = queue.then(() => stamp(file, body));
}

async function stamp(file, body) {
  const stop = new AbortController();
  const bar = progress(() => stop.abort());
  body.replaceChildren(bar);
  try {
    const algorithm = algorithmChoice.value;
    const digest = await digestOf(file, algorithm, bar.set, stop.signal);
    body.replaceChildren(el("p", { class: "soft", word: "asking" }));
    const { octets, info } = await request(algorithm, digest);
    body.replaceChildren(...stamped(file, octets, info));
    announce("said_stamped", { name: file.name });
  } catch (problem) {
    const again = button("again", () => enqueue(file, body));
    body.replaceChildren(trouble(problem, "refused"), actions(again));
    if (problem.word === "needs_key") {
      options.open = true;
      appKey.focus();
    }
  }
}

async function request(algorithm, digest) {
  const nonce = newNonce();
  const headers = { "Content-Type": "application/timestamp-query" };
  const key = appKey.value.replace(/[^\x21-\x7e]/g, ""); // a copied key brings spaces and line ends with it
  if (key) headers.Authorization = `Bearer ${key}`;
  const response = await ask("/", { method: "POST", headers, body: timeStampReq(algorithm, digest, nonce) });
  if (!response.headers.get("Content-Type")?.startsWith("application/timestamp-reply")) {
    throw new Problem("failed_http", { status: response.status }, await response.text());
  }
  const octets = new Uint8Array(await response.arrayBuffer());
  const { granted, text } = readStatus(octets);
  if (!granted) throw refusal(response, text);
  const info = readTstInfo(octets);
  if (info.digest !== hex(digest) || info.nonce !== hex(nonce)) throw new Problem("mismatch");
  return { octets, info };
}

function refusal(response, text) {
  const word = { 401: "needs_key", 403: "wrong_key", 429: "exhausted", 503: "busy" }[response.status] ?? "not_granted";
  const minutes = Math.ceil(Number(response.headers.get("Retry-After")) / 60);
  return new Problem(word, { minutes }, text);
}

function stamped(file, octets, info) {
  const name = `${file.name}.tsr`;
  const href = URL.createObjectURL(new Blob([octets], { type: "application/timestamp-reply" }));
  const save = el("a", { class: "button primary", href, download: name, word: "save", values: { name } });
  return [
    el("div", { class: "outcome good" }, banner("check", "stamped", "stamped_means"), instant(info.genTime)),
    actions(save, el("p", { class: "soft", word: "keep" })),
    facts([
      ["fact_serial", code(info.serial)],
      ["fact_algorithm", info.algorithm],
      ["fact_imprint", code(info.digest)],
      ["fact_policy", info.policy],
    ]),
  ];
}
