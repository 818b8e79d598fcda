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
