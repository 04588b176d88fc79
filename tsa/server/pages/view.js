// Pieces of the page that both flows are made of.
import { say, translate } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

/** An element. `word`, `values` and `moment` are what words.js says in it; other properties are attributes. */
export function el(tag, { word, values, moment, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (word) made.dataset.word = word;
  if (values) made.dataset.values = JSON.stringify(values);
  if (moment) made.dataset.moment = moment;
  made.append(...children);
  if (word || moment) translate(made);
  return made;
}

/** A picture of icons.svg; what it means is also said in words. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A list of facts: [key of the term, element or text][], without those that have no value; "" when none has. */
export function facts(rows) {
  const known = rows.filter(([, value]) => value);
  const parts = known.flatMap(([term, value]) => [el("dt", { word: term }), el("dd", {}, value)]);
  return parts.length > 0 ? el("dl", { class: "facts" }, ...parts) : "";
}

/** Octets, OIDs, numbers: what is compared digit by digit. */
export const code = (text) => el("code", {}, text);

/** An instant, in UTC to the last digit given and, small, where the reader is. */
export function instant(iso) {
  const said = iso.replace(/\.(\d*?)0*Z$/, (_all, digits) => (digits ? `.${digits}Z` : "Z")); // zeros that say nothing
  const utc = el("time", { datetime: iso, class: "utc" }, said.replace("T", " ").replace("Z", " UTC"));
  return el("div", { class: "instant" }, utc, el("span", { class: "local", moment: iso }));
}

/** A progress bar for the hashing of a file, with `.set(share)`; `onCancel` is what its button does. */
export function progress(onCancel) {
  const bar = el("progress", { max: 1, value: 0, "data-label": "hashing" });
  const share = el("span", { class: "share", "aria-hidden": "true" }, "0 %");
  const cancel = el("button", { type: "button", class: "quiet", word: "cancel" });
  cancel.addEventListener("click", onCancel);
  const made = el("div", { class: "progress" }, el("span", { word: "hashing" }), bar, share, cancel);
  translate(made);
  made.set = (done) => {
    bar.value = done;
    share.textContent = `${Math.floor(done * 100)} %`;
  };
  return made;
}

/** The head of a result: an icon, a word in large type, a sentence of what it means. */
export function banner(picture, word, sentence, values) {
  return el(
    "div",
    { class: "banner" },
    icon(picture),
    el("div", {}, el("h3", { word }), el("p", { word: sentence, values: values ?? {} })),
  );
}

/** What the server said, which is English whatever the page speaks. */
export const serverText = (text) => el("p", { class: "said", lang: "en" }, text);

export function button(word, onClick) {
  const made = el("button", { type: "button", class: "button", word });
  made.addEventListener("click", onClick);
  return made;
}

/** What can be done next, in a row. */
export const actions = (...children) => el("div", { class: "actions" }, ...children);

/** Have a screen reader say a sentence. */
export function announce(key, values) {
  document.getElementById("announcement").textContent = say(key, values);
}

/** A size in words: 1.4 MB. */
export function size(octets) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = octets < 1000 ? 0 : Math.min(Math.floor(Math.log10(octets) / 3), units.length - 1);
  return `${(octets / 1000 ** step).toFixed(step && 1)} ${units[step]}`;
}
