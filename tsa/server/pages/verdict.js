// A verdict as its reader sees it: the word, what it means, the time, why not, warnings, facts, and every step.
import { announce, banner, code, el, facts, icon, instant, serverText } from "./view.js";
import { knows, say } from "./words.js";

const KINDS = {
  proved: { word: "proved", picture: "check", kind: "good" },
  "not proved": { word: "not_proved", picture: "cross", kind: "bad" },
  "could not be judged": { word: "not_judged", picture: "question", kind: "doubt" },
};
const PICTURES = { passed: "check", failed: "cross", "not judged": "question" };

/** The element for an answer of POST /verify. */
export function showVerdict(found) {
  const { word, picture, kind } = KINDS[found.verdict];
  announce("said_verdict", { verdict: say(word) });
  const values = { tsa: commonName(found.tsa_name ?? ""), step: found.step };
  const outcome = el("div", { class: `outcome ${kind}` }, banner(picture, word, `${word}_means`, values));
  const shown = el("article", { class: "card", id: "judged" }, outcome);
  if (found.verdict === "proved") outcome.append(instant(found.gen_time));
  else shown.append(...why(found));
  if (found.warnings?.length) shown.append(...warnings(found.warnings));
  if (found.verdict === "proved") shown.append(proof(found), el("p", { class: "soft", word: "independent" }));
  if (found.verdict !== "could not be judged") shown.append(...steps(found.steps));
  return shown;
}

function why(found) {
  const plain = `why_${found.step}`;
  return [
    el("h4", { word: "why" }),
    ...(knows(plain) ? [el("p", { word: plain })] : []),
    el("p", { class: "soft label", word: "server_said" }),
    serverText(found.sentence ?? found.reason),
    facts([
      ["fact_expected", exact(found.expected)],
      ["fact_found", exact(found.found)],
      ["fact_clause", found.clause],
    ]),
  ];
}

/** What is compared digit by digit, or a phrase. */
const exact = (text) => (/[0-9a-f]{16}/.test(text) ? code(text) : text);

/** The CN of a subject (RFC 4514), which is how people call it; all of it when there is none. */
function commonName(subject) {
  const found = /(?:^|[,+])CN=((?:\\.|[^\\,+])*)/.exec(subject);
  return found ? found[1].replace(/\\(.)/g, "$1") : subject;
}

function warnings(sentences) {
  const rows = sentences.map((sentence) => el("li", { lang: "en" }, icon("warning"), el("span", {}, sentence)));
  return [el("h4", { word: "warnings" }), el("ul", { class: "warnings" }, ...rows)];
}

function proof(found) {
  const chain = el("ol", { class: "chain" }, ...found.chain.map((subject) => el("li", {}, subject)));
  return facts([
    ["fact_accuracy", found.accuracy_us === null ? "" : `± ${found.accuracy_us / 1e6} s`],
    ["fact_tsa", found.tsa_name],
    ["fact_serial", code(found.serial_number)],
    ["fact_algorithm", found.hash_algorithm],
    ["fact_imprint", code(found.imprint)],
    ["fact_policy", found.policy],
    ["fact_chain", chain],
  ]);
}

function steps(all) {
  const rows = all.map(({ step, state }) => {
    const said = `state_${state.replace(/ /g, "_")}`;
    const title = el("span", { class: "title", word: `step_${step}` });
    return el("li", { class: said }, icon(PICTURES[state] ?? "dash"), title, el("span", { class: "state", word: said }));
  });
  return [el("h4", { word: "steps" }), el("ol", { class: "steps" }, ...rows)];
}
