// What the page says, in the language of its reader. Every sentence stands in words.json; elements name theirs in
// data-word, and times in data-moment, so that all can be said again when the language changes.

const words = await (await fetch(new URL("./words.json", import.meta.url))).json();
const KEPT = "language";

let language = remembered() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

/** A sentence, with its {places} filled from `values`. */
export function say(key, values = {}) {
  return words[language][key].replace(/\{(\w+)\}/g, (_place, name) => values[name] ?? "");
}

/** Whether there is a sentence of that name. */
export const knows = (key) => key in words[language];

/** Change to the other language, and remember it. */
export function switchLanguage() {
  language = language === "en" ? "zh" : "en";
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    // A browser that keeps nothing still speaks both.
  }
  translate();
}

/** Say everything below `root` in the present language. */
export function translate(root = document.documentElement) {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  document.title = say("title");
  for (const each of [root, ...root.querySelectorAll("[data-word], [data-label], [data-moment]")]) {
    const { word, label, moment, values } = each.dataset;
    if (word) each.textContent = say(word, values && JSON.parse(values));
    if (label) each.setAttribute("aria-label", say(label));
    if (moment) each.textContent = localTime(new Date(moment));
  }
}

function localTime(date) {
  return date.toLocaleString(language === "zh" ? "zh-CN" : "en-GB", { dateStyle: "long", timeStyle: "long" });
}

function remembered() {
  try {
    const kept = localStorage.getItem(KEPT);
    return kept in words ? kept : null;
  } catch {
    return null;
  }
}
