"use strict";
// The page is whole without this: it finds, filters, and opens what is asked for.
const steps = Array.from(document.querySelectorAll("details.step"));
const find = document.getElementById("find");
const buttons = Array.from(document.querySelectorAll(".tools button"));
let kind = "all";
function filter() {
  const text = find.value.toLowerCase();
  for (const step of steps) {
    const kinds = step.dataset.kind.split(" ");
    const fits = kind === "all" || kinds.includes(kind);
    step.hidden = !fits || (text !== "" && !step.textContent.toLowerCase().includes(text));
  }
  for (const button of buttons)
    button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
}
if (find) {
  find.hidden = false;
  find.addEventListener("input", filter);
  for (const button of buttons) {
    button.hidden = false;
    button.addEventListener("click", () => { kind = button.dataset.kind; filter(); });
  }
  filter();
}
function follow() {
  const found = document.getElementById(location.hash.slice(1));
  if (found && found.tagName === "DETAILS") {
    found.hidden = false;
    found.open = true;
    found.scrollIntoView({ block: "start" });
  }
}
addEventListener("hashchange", follow);
follow();
let opened = [];
addEventListener("beforeprint", () => {
  opened = Array.from(document.querySelectorAll("details:not([open])"));
  for (const one of opened) one.open = true;
});
addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
