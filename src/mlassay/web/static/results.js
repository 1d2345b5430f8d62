// The table of results: details, selection, scatter plot; and among files also filtering, sorting and grouping.
// Every state is an address: on the server by loading it, among files by writing it into the address bar.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const explorer = document.getElementById("explorer");
  const form = document.getElementById("filters");
  if (!explorer || !form) return;
  const texts = mlassay.texts();
  const isStatic = explorer.dataset.static === "yes";
  const held = document.getElementById("row-data");
  const data = held ? JSON.parse(held.textContent) : null;
  const body = document.getElementById("rows");
  const fill = (text, blanks) => text.replace(/\{(\w+)\}/g, (_, name) => blanks[name]);
  const element = (id) => document.getElementById(id);

  if (window.innerWidth <= 960) element("filter-box").open = false;

  // --- every table: details and selection ---
  for (const button of document.querySelectorAll(".expand")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const more = button.closest("tr").nextElementSibling;
      more.hidden = !more.hidden;
      button.setAttribute("aria-expanded", String(!more.hidden));
      button.textContent = more.hidden ? "+" : "−";
    });
  }
  const compare = element("compare");
  const picked = () => [...document.querySelectorAll(".pick:checked")].map((box) => box.dataset.id);
  document.addEventListener("change", (event) => {
    if (event.target.classList.contains("pick")) compare.disabled = picked().length < 2;
  });
  compare.addEventListener("click", () => {
    const query = new URLSearchParams(picked().slice(0, 6).map((id) => ["id", id]));
    window.location.assign(`${isStatic ? "compare.html" : "/compare"}?${query}`);
  });

  // --- the state: what stands in the form, with the controls copied into it ---
  const state = () => {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      const plain = { sort: "", group: "", search: "", view: "table" };
      if (name in plain && value === plain[name]) continue;
      if (["x", "y", "xlog", "ylog"].includes(name) && form.elements.view.value !== "chart") continue;
      query.append(name, value);
    }
    return query;
  };
  const address = (query) => `${window.location.pathname}${String(query) ? `?${query}` : ""}`;
  const apply = () => {
    if (!isStatic) { window.location.assign(address(state())); return; }
    window.history.replaceState(null, "", address(state()));
    show();
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); apply(); });
  form.addEventListener("change", apply);
  for (const name of ["group", "x", "y"]) {
    element(name).addEventListener("change", (event) => { form.elements.namedItem(name).value = event.target.value; settle(); });
  }
  for (const name of ["xlog", "ylog"]) {
    element(name).addEventListener("change", (event) => { form.elements.namedItem(name).value = event.target.checked ? "1" : "0"; settle(); });
  }
  // Axes change without loading anything; what the server must sort or fetch is loaded.
  function settle() {
    if (data && form.elements.view.value === "chart" && !isStatic && form.elements.group.value === (new URLSearchParams(window.location.search).get("group") ?? "")) {
      window.history.replaceState(null, "", address(state()));
      scatter(data.links.map((_, at) => at));
    } else apply();
  }

  const title = (name, value) => data.titles?.[name]?.[value] ?? value;

  // --- the scatter plot: rows by number, from the columns beside the table ---
  function scatter(rows) {
    const [x, y] = ["x", "y"].map((name) => form.elements.namedItem(name).value);
    const [xs, ys] = [x, y].map((name) => data.axes[name] ?? []);
    const log = { x: element("xlog").checked, y: element("ylog").checked };
    const usable = (at) => [[xs[at], log.x], [ys[at], log.y]].every(([v, isLog]) => v !== null && v !== undefined && !(isLog && v <= 0));
    let kept = rows.filter(usable);
    const notes = [];
    if (kept.length < rows.length) notes.push(fill(texts.missing, { left: mlassay.number(rows.length - kept.length) }));
    let unit = "";
    if ([x, y].some((name) => name === "value" || name === "per_chip")) {
      const counts = new Map();
      for (const at of kept) counts.set(data.units[at], (counts.get(data.units[at]) ?? 0) + 1);
      unit = [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
      const same = kept.filter((at) => data.units[at] === unit);
      if (same.length < kept.length) notes.push(fill(texts.mixed, { left: mlassay.number(kept.length - same.length), n: mlassay.number(kept.length), unit }));
      kept = same;
    }
    const facet = (name, at) => title(name, data.facets[name].values[data.facets[name].at[at]]);
    const distinct = (name) => new Set(kept.map((at) => facet(name, at))).size;
    const by = ["scenario", "benchmark", "processor_class", "framework_label"].find((name) => distinct(name) > 1 && distinct(name) <= 8) ?? "suite";
    const series = new Map();
    for (const at of kept) {
      const name = facet(by, at);
      if (!series.has(name)) series.set(name, []);
      series.get(name).push([xs[at], ys[at], `${facet("submitter", at)} ${facet("system", at)}, ${facet("benchmark", at)} ${facet("scenario", at)}`, data.links[at]]);
    }
    notes.unshift(kept.length ? fill(texts.shown, { n: mlassay.number(kept.length) }) : texts.nothing);
    element("scatter-note").textContent = notes.join(" ");
    const axisTitle = (name) => element(name).selectedOptions[0].textContent + (["value", "per_chip"].includes(form.elements.namedItem(name).value) && unit ? ` (${unit})` : "");
    mlassay.draw(document.querySelector("#scatter canvas"), {
      x: { title: axisTitle("x"), log: log.x, ticks: [], reverse: false }, y: { title: axisTitle("y"), log: log.y, ticks: [], reverse: false },
      stacked: false, marks: [], series: [...series].sort().map(([name, points]) => ({ name, kind: "points", points })),
    });
  }

  // --- among files: the page holds every row, and the same questions are answered here ---
  const STEP = 200;
  let most = STEP;
  const pairs = isStatic && body ? [...body.querySelectorAll("tr[data-at]")].map((row) => [row, row.nextElementSibling]) : [];
  const asked = (query, but = "") => {
    const facets = Object.entries(data.facets).filter(([name]) => name !== but && query.has(name))
      .map(([, column]) => [column.at, new Set(query.getAll(Object.keys(data.facets).find((n) => data.facets[n] === column)).map((v) => column.values.indexOf(v)))]);
    const words = (query.get("search") ?? "").trim().toLowerCase();
    const published = query.getAll("published");
    const power = query.has("power");
    return (at) => facets.every(([column, wanted]) => wanted.has(column[at]))
      && (!words || data.search[at].includes(words))
      && (published.length !== 1 || data.published[at] === (published[0] === "yes"))
      && (!power || (data.axes.power && data.axes.power[at] !== null));
  };
  const keyOf = (name) => {
    if (name === "value") return (at) => data.axes.value?.[at] ?? null;
    const column = data.facets[name];
    return (at) => column.values[column.at[at]];
  };
  const order = (a, b) => (a === null ? 1 : b === null ? -1 : a < b ? -1 : a > b ? 1 : 0);

  function show() {
    const query = state();
    const every = pairs.map((_, at) => at);
    const fits = asked(query);
    const rows = every.filter(fits);
    const sort = query.get("sort") ?? "";
    const group = query.get("group") ?? "";
    if (sort) {
      const key = keyOf(sort.replace("-", ""));
      const turn = sort.startsWith("-") ? -1 : 1;
      rows.sort((a, b) => (key(a) === null || key(b) === null ? order(key(a), key(b)) : turn * order(key(a), key(b))) || a - b);
    }
    if (group) { const key = keyOf(group); rows.sort((a, b) => order(key(a), key(b))); }
    table(rows, group);
    counts(query, every);
    chips(query);
    headings(sort);
    element("count").textContent = fill(rows.length === 1 ? texts.count_one : texts.count, { n: mlassay.number(rows.length) });
    element("none").hidden = rows.length > 0;
    const chart = query.get("view") === "chart";
    element("scatter").hidden = !chart;
    element("view-chart").toggleAttribute("aria-current", chart);
    element("view-table").toggleAttribute("aria-current", !chart);
    if (chart) scatter(rows);
  }
  function table(rows, group) {
    const out = document.createDocumentFragment();
    let before = null;
    for (const at of rows.slice(0, most)) {
      const name = group ? title(group, keyOf(group)(at)) : null;
      if (group && name !== before) {
        const heading = document.createElement("tr");
        heading.className = "group";
        const cell = heading.appendChild(document.createElement("th"));
        cell.colSpan = 9; cell.scope = "rowgroup"; cell.textContent = name;
        out.append(heading);
        before = name;
      }
      out.append(...pairs[at]);
    }
    body.replaceChildren(out);
    element("show-more").hidden = rows.length <= most;
  }
  function counts(query, every) {
    for (const field of form.querySelectorAll("fieldset[data-facet]")) {
      const name = field.dataset.facet;
      const column = data.facets[name];
      const fits = asked(query, name);
      const n = new Array(column.values.length).fill(0);
      for (const at of every) if (fits(at)) n[column.at[at]] += 1;
      for (const box of field.querySelectorAll("input")) box.parentElement.querySelector(".n").textContent = mlassay.number(n[column.values.indexOf(box.value)] ?? 0);
    }
  }
  function chips(query) {
    const list = element("chosen");
    list.replaceChildren();
    for (const box of form.querySelectorAll("input:checked")) {
      const link = document.createElement("a");
      link.href = "#";
      const facet = box.closest("details").querySelector("summary").textContent.trim();
      link.textContent = `${facet}: ${box.nextElementSibling.textContent}`;
      link.setAttribute("aria-label", `${texts.remove} ${link.textContent}`);
      link.addEventListener("click", (event) => { event.preventDefault(); box.checked = false; apply(); });
      list.appendChild(document.createElement("li")).append(link);
    }
  }
  function headings(sort) {
    for (const link of document.querySelectorAll("a[data-sort]")) {
      const direction = { [link.dataset.sort]: "ascending", [`-${link.dataset.sort}`]: "descending" }[sort];
      if (direction) link.parentElement.setAttribute("aria-sort", direction); else link.parentElement.removeAttribute("aria-sort");
      link.textContent = link.textContent.replace(/ [↑↓]$/, "") + (direction ? (direction === "ascending" ? " ↑" : " ↓") : "");
    }
  }
  if (isStatic && body && data) {
    const query = new URLSearchParams(window.location.search);
    for (const box of form.querySelectorAll("input[type=checkbox]")) box.checked = query.getAll(box.name).includes(box.value);
    for (const name of ["search", "sort", "group", "view", "x", "y", "xlog", "ylog"]) if (query.has(name)) form.elements.namedItem(name).value = query.get(name);
    for (const name of ["group", "x", "y"]) element(name).value = form.elements.namedItem(name).value;
    for (const name of ["xlog", "ylog"]) element(name).checked = form.elements.namedItem(name).value === "1";
    for (const details of form.querySelectorAll("details details")) if (details.querySelector("input:checked")) details.open = true;
    for (const link of document.querySelectorAll("a[data-sort]")) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        const field = form.elements.namedItem("sort");
        field.value = field.value === link.dataset.sort ? `-${link.dataset.sort}` : link.dataset.sort;
        apply();
      });
    }
    for (const [id, view] of [["view-table", "table"], ["view-chart", "chart"]]) {
      element(id).addEventListener("click", (event) => { event.preventDefault(); form.elements.namedItem("view").value = view; apply(); });
    }
    element("clear").addEventListener("click", (event) => {
      event.preventDefault();
      for (const box of form.querySelectorAll("input:checked")) box.checked = false;
      for (const name of ["search", "sort", "group"]) form.elements.namedItem(name).value = "";
      element("group").value = "";
      apply();
    });
    element("search").addEventListener("input", apply);
    element("show-more").addEventListener("click", () => { most += STEP; show(); });
    show();
  } else if (data) scatter(data.links.map((_, at) => at));
});
