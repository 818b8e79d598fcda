"use strict";
// Moments are sent in UTC and shown in the viewer's zone; UTC stays on hover.
const inZone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function localise(root) {
  for (const each of root.querySelectorAll("time[datetime]")) {
    const text = inZone.format(new Date(each.dateTime));
    if (each.textContent !== text) each.textContent = text;
  }
}

document.addEventListener("DOMContentLoaded", () => localise(document));
document.addEventListener("htmx:afterSwap", () => localise(document));

// What cannot be undone is asked about first: <button data-confirm="...">.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-confirm]");
  if (button && !window.confirm(button.dataset.confirm)) event.preventDefault();
});

// What takes its time says so, and is not sent twice: <button data-busy="Comparing…">.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = event.submitter || form.querySelector("[data-busy]");
  if (!button || !button.dataset.busy) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  button.textContent = button.dataset.busy;
  button.setAttribute("aria-busy", "true");
});

// <button data-copy="id" hidden> copies the text of that element, where the browser lets it.
document.addEventListener("DOMContentLoaded", () => {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    });
  }
});

// What is shown goes on looking new when nothing tells of changes any more, so the page says since
// when. It asks for itself, too: who is not signed in any more is led to the page for that. Streams
// end now and then and are opened again two seconds later, of which nothing is said.
let cutOff = null;

function askAgain() {
  const live = document.getElementById("live");
  if (live) htmx.trigger(live, "sse:changed");
}

document.addEventListener("htmx:sseError", () => {
  if (!document.getElementById("live")) return;
  if (!cutOff) {
    const since = new Date();
    cutOff = window.setTimeout(() => {
      const line = document.getElementById("cut-off");
      line.textContent = `Not up to date since ${inZone.format(since)}.`;
      line.hidden = false;
    }, 5000);
  }
  askAgain();
});

document.addEventListener("htmx:sseOpen", () => {
  if (!cutOff) return;
  window.clearTimeout(cutOff);
  cutOff = null;
  document.getElementById("cut-off").hidden = true;
  askAgain();
});
