// What a page does beyond HTML. Nothing here is needed: without it every form and link works.
"use strict";

// The summary of errors takes the focus, also where htmx put it there.
function focusErrors(root) {
  const errors = root.querySelector("#errors");
  if (errors) errors.focus();
}

// A line of the summary leads to its field.
document.addEventListener("click", (event) => {
  const link = event.target.closest(".errors a[href^='#']");
  if (!link) return;
  const field = document.getElementById(link.hash.slice(1));
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.scrollIntoView({ block: "center" });
});

// "/" goes to the search, as in many tools, unless one is writing.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const search = document.querySelector("[data-slash]");
  if (!search) return;
  event.preventDefault();
  search.focus();
});

// Times are of UTC; on focus or under the pointer they say the local time as well.
function localTime(event) {
  const time = event.target.closest && event.target.closest("time[datetime]");
  if (!time || time.title) return;
  const at = new Date(time.dateTime);
  time.title = at.toLocaleString(document.documentElement.lang, { dateStyle: "full", timeStyle: "long" });
  time.setAttribute("aria-label", time.textContent + " (" + time.title + ")");
}
document.addEventListener("focusin", localTime);
document.addEventListener("pointerover", localTime);

function say(text) {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

// data-copy="ID" copies what stands in an element, and says so by data-copied.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const from = document.getElementById(button.dataset.copy);
  if (!from) return;
  try {
    await navigator.clipboard.writeText(from.textContent);
    say(button.dataset.copied);
  } catch {
    const range = document.createRange();
    range.selectNodeContents(from);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }
});
// Buttons that only scripts make work are hidden without them.
for (const element of document.querySelectorAll("[data-script]")) element.hidden = false;

document.addEventListener("htmx:afterSwap", (event) => {
  focusErrors(document);
  for (const element of event.target.querySelectorAll("[data-script]")) element.hidden = false;
});
focusErrors(document);

// data-events="ADDRESS" has parts that change; each event names one (data-part) and
// brings its HTML. What has the focus, and what is open, stays so.
for (const root of document.querySelectorAll("[data-events]")) {
  if (!window.EventSource) break;
  const source = new EventSource(root.dataset.events);
  for (const part of root.querySelectorAll("[data-part]")) {
    source.addEventListener(part.dataset.part, (event) => {
      if (part.contains(document.activeElement)) return; // not under somebody's fingers
      const open = Array.from(part.querySelectorAll("details"), (element) => element.open);
      const state = part.querySelector(".state-line");
      const before = state && state.textContent;
      part.innerHTML = event.data;
      part.querySelectorAll("details").forEach((element, i) => { element.open = Boolean(open[i]); });
      const now = part.querySelector(".state-line");
      if (before !== null && now && now.textContent !== before) say(now.textContent.trim().replace(/\s+/g, " "));
    });
  }
  window.addEventListener("pagehide", () => source.close());
}
