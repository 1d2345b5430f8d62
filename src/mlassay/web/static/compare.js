// Among files: sets the facts of the results that the address names side by side. The server also knows intervals and rulings.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const held = document.getElementById("every");
  const place = document.getElementById("compared");
  if (!held || !place) return;
  const texts = mlassay.texts();
  const wanted = new URLSearchParams(window.location.search).getAll("id").slice(0, 6);
  const every = new Map(JSON.parse(held.textContent).map((r) => [r.id, r]));
  const chosen = wanted.map((id) => every.get(id)).filter(Boolean);
  if (chosen.length < 2) return;
  document.getElementById("how").hidden = true;
  const make = (name, text, parent) => { const e = document.createElement(name); if (text !== undefined) e.textContent = text; parent?.append(e); return e; };
  const card = make("section", undefined, place);
  card.className = "card";
  const scroll = make("div", undefined, card);
  scroll.className = "scroll"; scroll.tabIndex = 0; scroll.setAttribute("role", "region"); scroll.setAttribute("aria-label", texts.facts);
  const table = make("table", undefined, scroll);
  const head = make("tr", undefined, make("thead", undefined, table));
  make("td", undefined, head);
  for (const [at, r] of chosen.entries()) {
    const cell = make("th", undefined, head);
    cell.scope = "col";
    const link = make("a", `${"ABCDEF"[at]}: ${r.facts.submitter} ${r.facts.system}`, cell);
    link.href = `result/${r.id}.html`;
  }
  const body = make("tbody", undefined, table);
  const row = (name, values) => {
    const line = make("tr", undefined, body);
    make("th", name, line).scope = "row";
    for (const value of values) make("td", value || "–", line);
  };
  row(texts.value, chosen.map((r) => (r.value === null ? "–" : `${mlassay.number(r.value)} ${r.unit}`)));
  const first = chosen[0];
  const same = (name) => new Set(chosen.map((r) => r.facts[name])).size === 1;
  if (chosen.every((r) => r.unit === first.unit && r.value && first.value)) row(texts.ratio, chosen.map((r) => `×${mlassay.number(r.value / first.value)}`));
  for (const name of Object.keys(first.facts)) row(same(name) ? name : `${name} (${texts.differs})`, chosen.map((r) => r.facts[name]));
  const allowed = ["suite", "round", "division", "benchmark", "scenario", "verified"].every(same) && first.facts.verified === "published";
  const note = make("p", allowed ? texts.allowed : texts.ask, place);
  note.className = allowed ? "notice" : "notice warn";
});
