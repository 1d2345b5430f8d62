// Keeps the page of runs in progress up to date: one event a second from the server, written into the cards.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("live");
  if (!place) return;
  const texts = mlassay.texts();
  const gone = document.getElementById("gone");
  const make = (name, parent, text, kind) => { const e = document.createElement(name); if (text !== undefined) e.textContent = text; if (kind) e.className = kind; parent?.append(e); return e; };
  const card = (run) => {
    const box = make("section", undefined, undefined, "card");
    box.dataset.run = run.name;
    const title = make("h2", box, `${run.title} `);
    make("span", title, run.name, "unit");
    const meter = make("progress", make("div", box, undefined, "meter"));
    meter.max = 100; meter.value = run.done; meter.setAttribute("aria-label", texts.elapsed);
    const says = make("p", box, undefined, `notice says ${run.projection === "failing" ? "bad" : ""}`);
    make("strong", says, texts.projection);
    says.append(` ${run.says}`);
    const tiles = make("dl", box, undefined, "tiles");
    for (const fact of run.facts) { const tile = make("div", tiles); make("dt", tile, fact.name); make("dd", tile, fact.value); }
    const list = make("ul", box, undefined, "plain-list");
    for (const wanted of run.wanted) {
      const line = make("li", list);
      make("span", line, wanted.word, `badge ${wanted.ok === null ? "" : wanted.ok ? "valid" : "invalid"}`);
      line.append(" ");
      make("span", line, wanted.text);
    }
    return box;
  };
  const source = new EventSource("/live/events");
  source.onmessage = (event) => {
    gone.hidden = true;
    const runs = JSON.parse(event.data);
    place.replaceChildren(...runs.map(card));
    document.getElementById("idle").hidden = runs.length > 0;
  };
  source.onerror = () => { gone.textContent = texts.live_gone; gone.hidden = false; };
  window.addEventListener("pagehide", () => source.close());
});
