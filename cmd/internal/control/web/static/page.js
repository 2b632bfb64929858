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

// data-copy="ID" copies what stands in an element, or in the one before the button where
// no id is given, and says so by data-copied.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const from = button.dataset.copy ? document.getElementById(button.dataset.copy) : button.previousElementSibling;
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
  const found = document.querySelector("#found[data-say]");
  if (found) say(found.dataset.say);
  for (const element of event.target.querySelectorAll("[data-script]")) element.hidden = false;
});
focusErrors(document);

// data-events="ADDRESS" has parts that change; each event names one (data-part) and
// brings its HTML. What has the focus, and what is open, stays so: a part with the focus
// is not replaced before the focus leaves it, but how far it is, goes on.
const waiting = new Map(); // parts with the focus, and what came for them last
function put(part, html) {
  waiting.delete(part);
  const open = Array.from(part.querySelectorAll("details"), (element) => element.open);
  const state = part.querySelector(".state-line");
  const before = state && state.textContent;
  part.innerHTML = html;
  part.querySelectorAll("details").forEach((element, i) => { element.open = Boolean(open[i]); });
  const now = part.querySelector(".state-line");
  if (before !== null && now && now.textContent !== before) say(now.textContent.trim().replace(/\s+/g, " "));
}
function goOn(part, html) {
  const bar = part.querySelector("progress");
  if (!bar) return;
  const next = document.createElement("template");
  next.innerHTML = html;
  const newer = next.content.querySelector("progress");
  if (!newer) {
    say(next.content.textContent.trim().replace(/\s+/g, " ")); // it has ended
    return;
  }
  bar.value = newer.value;
  bar.parentElement.firstChild.textContent = newer.parentElement.firstChild.textContent;
}
for (const root of document.querySelectorAll("[data-events]")) {
  if (!window.EventSource) break;
  const source = new EventSource(root.dataset.events);
  for (const part of root.querySelectorAll("[data-part]")) {
    source.addEventListener(part.dataset.part, (event) => {
      if (part.contains(document.activeElement)) {
        waiting.set(part, event.data);
        goOn(part, event.data);
        return;
      }
      put(part, event.data);
    });
    part.addEventListener("focusout", () => setTimeout(() => {
      if (!waiting.has(part) || part.contains(document.activeElement)) return;
      put(part, waiting.get(part));
    }));
  }
  window.addEventListener("pagehide", () => source.close());
}
// data-tree: nested lists with boxes become a tree of one tab stop. Arrows move and
// open, Space ticks, letters search, Home and End jump, * opens all beside.
function makeTree(tree) {
  const items = () => [...tree.querySelectorAll("li")].filter((li) => !li.parentElement.closest("details:not([open])"));
  const box = (li) => li.querySelector(":scope > .node > input[type='checkbox']");
  const details = (li) => li.querySelector(":scope > details");
  const level = (li) => { let n = 0; for (let at = li; at && at !== tree; at = at.parentElement) if (at.tagName === "LI") n++; return n; };
  const mirror = (li) => {
    li.setAttribute("aria-checked", String(box(li).checked));
    if (details(li)) li.setAttribute("aria-expanded", String(details(li).open));
  };
  tree.setAttribute("role", "tree");
  tree.setAttribute("aria-multiselectable", "true");
  for (const list of tree.querySelectorAll("ul")) list.setAttribute("role", "group");
  for (const summary of tree.querySelectorAll("summary")) { summary.tabIndex = -1; summary.setAttribute("aria-hidden", "true"); }
  let first = true;
  for (const li of tree.querySelectorAll("li")) {
    li.setAttribute("role", "treeitem");
    li.setAttribute("aria-level", String(level(li)));
    li.setAttribute("aria-label", li.querySelector(":scope > .node").textContent.replace(/\s+/g, " ").trim());
    li.tabIndex = first ? 0 : -1;
    first = false;
    box(li).tabIndex = -1;
    box(li).setAttribute("aria-hidden", "true");
    box(li).addEventListener("change", () => mirror(li));
    if (details(li)) details(li).addEventListener("toggle", () => mirror(li));
    mirror(li);
  }
  const go = (li) => {
    if (!li) return;
    for (const other of tree.querySelectorAll("li[tabindex='0']")) other.tabIndex = -1;
    li.tabIndex = 0;
    li.focus();
  };
  tree.addEventListener("focusin", (event) => {
    if (event.target.tagName === "LI") for (const other of tree.querySelectorAll("li[tabindex='0']")) if (other !== event.target) other.tabIndex = -1;
    if (event.target.tagName === "LI") event.target.tabIndex = 0;
  });
  let typed = "", typedAt = 0;
  tree.addEventListener("keydown", (event) => {
    const li = event.target;
    if (li.tagName !== "LI" || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = items(), at = all.indexOf(li), inside = details(li);
    if (event.key.length !== 1) typed = ""; // another word begins
    switch (event.key) {
      case "ArrowDown": go(all[at + 1]); break;
      case "ArrowUp": go(all[at - 1]); break;
      case "Home": go(all[0]); break;
      case "End": go(all[all.length - 1]); break;
      case "ArrowRight":
        if (inside && !inside.open) inside.open = true;
        else if (inside) go(inside.querySelector("li"));
        else li.querySelector(":scope > .node > button")?.click();
        break;
      case "ArrowLeft":
        if (inside && inside.open) inside.open = false;
        else go(li.parentElement.closest("li"));
        break;
      case " ": box(li).click(); break;
      case "Enter": box(li).click(); break;
      case "*": for (const other of li.parentElement.children) if (details(other)) details(other).open = true; break;
      default: {
        if (event.key.length !== 1 || event.key === "/") return;
        typed = event.timeStamp - typedAt < 700 ? typed + event.key.toLowerCase() : event.key.toLowerCase();
        typedAt = event.timeStamp;
        const from = typed.length > 1 ? at : at + 1;
        go([...all.slice(from), ...all.slice(0, from)].find((other) => other.querySelector("label").textContent.trim().toLowerCase().startsWith(typed)));
      }
    }
    event.preventDefault();
    event.stopPropagation();
  });
}
for (const tree of document.querySelectorAll("[data-tree]")) makeTree(tree);
