// What goes wrong on the way, and how the page says it.
import { Malformed } from "./der.js";
import { NoWorker, Unreadable } from "./digest.js";
import { announce, banner, el, serverText } from "./view.js";

/** A fault with a sentence of words.json, the values in it, and what the server said. */
export class Problem extends Error {
  constructor(word, values = {}, said = "") {
    super(word);
    Object.assign(this, { word, values, said });
  }
}

/** What to show, under a heading, for anything that was thrown. */
export function trouble(error, heading) {
  if (error.name === "AbortError") return el("p", { class: "soft", word: "cancelled" });
  const { word, values, said } = known(error);
  announce(word, values);
  const shown = el("div", { class: "outcome doubt" }, banner("warning", heading, word, values));
  if (said) shown.append(serverText(said));
  return shown;
}

function known(error) {
  if (error instanceof Problem) return error;
  if (error instanceof Unreadable) return new Problem("unreadable");
  if (error instanceof NoWorker) return new Problem("no_worker");
  if (error instanceof Malformed) return new Problem("no_answer");
  console.error(error);
  return new Problem("unforeseen", { fault: error.message });
}
