// Verifying: a file and its token, in any order → digest → POST /verify, which judges; verdict.js shows what it found.
import { ask } from "./ask.js";
import { Malformed, base64, hex, readTstInfo } from "./der.js";
import { digestOf } from "./digest.js";
import { Problem, trouble } from "./problem.js";
import { actions, button, el, progress, size } from "./view.js";
import { showVerdict } from "./verdict.js";
import { say } from "./words.js";

const SEND_LIMIT = 700_000; // octets: what the server takes, in base64
const TOKEN_NAME = /\.(tsr|tst|p7s|tstoken)$/i;

const results = document.getElementById("verdict");
const root = document.getElementById("verify-root");
const crl = document.getElementById("verify-crl");
const given = { file: null, token: null };
let present = new AbortController(); // of the verification that is going on; a later one ends it

/** Take files as they come; what is a token is known by its content, or its name. Judge when there are both. */
export async function takeFiles(files) {
  const all = [...files];
  for (const file of all) give((await isToken(file, all)) ? "token" : "file", file);
  await judgeWhenComplete();
}

/** Take one file for a slot, "file" or "token", whatever is in it. */
export async function takeFor(slot, file) {
  give(slot, file);
  await judgeWhenComplete();
}

/** Judge (again) when there is a file with its token. */
export async function judgeWhenComplete() {
  if (given.file && given.token) await judge(given.file, given.token);
}

async function isToken(file, others) {
  if (file.size > SEND_LIMIT) return false;
  if (others.some((other) => other.name === `${file.name}.tsr`)) return false; // a token that was itself stamped
  if (TOKEN_NAME.test(file.name)) return true;
  const octets = await file.arrayBuffer().catch(() => new ArrayBuffer()); // as of a folder: hashing it will tell
  return peek(new Uint8Array(octets)) !== undefined;
}

/** The TSTInfo of a token; undefined where there is none, which is for the server to say. */
function peek(octets) {
  try {
    return readTstInfo(octets);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

function give(slot, file) {
  given[slot] = file;
  const box = document.getElementById(`slot-${slot}`);
  box.classList.toggle("filled", file !== null);
  const chosen = box.querySelector(".chosen");
  if (file === null) chosen.dataset.word = `slot_${slot}_empty`;
  else delete chosen.dataset.word;
  chosen.textContent = file === null ? say(chosen.dataset.word) : `${file.name} (${size(file.size)})`;
}

function clear() {
  present.abort();
  for (const slot of Object.keys(given)) give(slot, null);
  results.replaceChildren();
  document.getElementById("verify-file").focus();
}

async function judge(file, token) {
  present.abort();
  present = new AbortController();
  const { signal } = present;
  const bar = progress(clear);
  results.replaceChildren(bar);
  try {
    const octets = await octetsOf(token);
    const info = peek(octets);
    if (info && !info.algorithm) throw new Problem("unknown_algorithm", { oid: info.oid });
    const digest = await digestOf(file, info?.algorithm ?? "sha256", bar.set, signal);
    results.replaceChildren(el("p", { class: "soft", word: "judging" }));
    const found = await request(octets, digest, signal);
    signal.throwIfAborted();
    results.replaceChildren(showVerdict(found), actions(button("clear", clear)));
  } catch (problem) {
    if (signal.aborted) return; // another verification has the place now
    const again = button("again", judgeWhenComplete);
    results.replaceChildren(trouble(problem, "verify_failed"), actions(again, button("clear", clear)));
  }
  results.scrollIntoView({ block: "nearest" });
}

async function octetsOf(file, limit = SEND_LIMIT) {
  if (file.size > limit) throw new Problem("too_large", { name: file.name });
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Problem("unreadable");
  }
}

/** A root as the server takes it, which is PEM; makers of certificates write DER as often. */
function pem(octets) {
  if (octets[0] !== 0x30) return new TextDecoder().decode(octets);
  return `-----BEGIN CERTIFICATE-----\n${base64(octets)}\n-----END CERTIFICATE-----\n`;
}

async function request(octets, digest, signal) {
  const body = { token: base64(octets), digest: hex(digest) };
  let left = SEND_LIMIT - octets.length;
  for (const [field, write, { files: [file] }] of [["ca", pem, root], ["crl", base64, crl]]) {
    if (!file) continue;
    const content = await octetsOf(file, left);
    left -= content.length;
    body[field] = write(content);
  }
  const headers = { "Content-Type": "application/json" };
  const response = await ask("/verify", { method: "POST", headers, body: JSON.stringify(body), signal });
  const found = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem("failed_http", { status: response.status }, found.error);
  return found;
}
