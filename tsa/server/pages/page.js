// Brings the page to life: its language, the two tabs, what is dropped or chosen, and how the authority is.
import { stampFiles } from "./stamp.js";
import { judgeWhenComplete, takeFiles, takeFor } from "./verify.js";
import { switchLanguage, translate } from "./words.js";

const find = (id) => document.getElementById(id);
const tabs = [...document.querySelectorAll("[role=tab]")];

function showTab(tab) {
  for (const each of tabs) {
    const shown = each === tab;
    each.setAttribute("aria-selected", shown);
    each.tabIndex = shown ? 0 : -1;
    find(each.getAttribute("aria-controls")).hidden = !shown;
  }
  history.replaceState(null, "", `#${tab.getAttribute("aria-controls")}`);
}

/** Arrow keys go from tab to tab, as the pattern of the ARIA guide has it. */
function moveTab(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
  showTab(next);
  next.focus();
}

/** A file with its own token is there to be verified, whatever tab is shown. */
const isPair = (files) => files.length === 2 && files.some(({ name }) => files.some((other) => other.name === `${name}.tsr`));

/** Whatever is dropped, wherever on the page, goes to the tab that is shown; the browser must not open it. */
function listenForDrops() {
  let inside = 0; // dragenter and dragleave come for every element on the way
  const mark = (change) => {
    inside = Math.max(0, inside + change);
    document.body.classList.toggle("dragging", inside > 0);
  };
  addEventListener("dragenter", () => mark(1));
  addEventListener("dragleave", () => mark(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    mark(-inside);
    const files = [...event.dataTransfer.files];
    if (isPair(files)) showTab(find("tab-verify"));
    if (files.length > 0) (find("stamp").hidden ? takeFiles : stampFiles)(files);
  });
}

function onFiles(id, take) {
  find(id).addEventListener("change", ({ target }) => {
    const files = [...target.files];
    target.value = ""; // so that the same file can be chosen again
    if (files.length > 0) take(files);
  });
}

async function showReadiness() {
  const { status, reasons, clock } = await (await fetch("/readyz")).json();
  const state = find("readiness");
  state.dataset.word = status === "ready" ? "ready" : "not_ready";
  translate(state);
  find("reasons").textContent = reasons.join(" ");
  if (typeof clock === "string") {
    delete find("clock").dataset.word;
    find("clock").textContent = clock;
  }
}

translate();
find("language").addEventListener("click", () => {
  find("announcement").textContent = ""; // it was said already
  switchLanguage();
});
find("address").textContent = new URL("/", location).href;
for (const tab of tabs) {
  tab.addEventListener("click", () => showTab(tab));
  tab.addEventListener("keydown", moveTab);
}
if (location.hash === "#verify") showTab(find("tab-verify"));
onFiles("stamp-files", stampFiles);
onFiles("verify-file", ([file]) => takeFor("file", file));
onFiles("verify-token", ([file]) => takeFor("token", file));
for (const id of ["verify-root", "verify-crl"]) find(id).addEventListener("change", judgeWhenComplete);
listenForDrops();
document.querySelector(".work").hidden = false;
await showReadiness().catch(() => {}); // then its state is not known, as the page says
