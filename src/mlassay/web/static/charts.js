// Draws every chart of a page from the JSON that stands beside it, with Chart.js. The numbers are also in a table below.
"use strict";
const mlassay = window.mlassay = {};

mlassay.texts = () => JSON.parse(document.getElementById("texts").textContent);

mlassay.number = (value) => {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-4) return value.toExponential(2);
  const digits = Math.max(0, 3 - Math.floor(Math.log10(size)));
  return value.toLocaleString("en", { maximumFractionDigits: Math.min(digits, 8) });
};

mlassay.colours = () => {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    text: of("--text"), quiet: of("--quiet"), line: of("--line"), ground: of("--card"),
    series: [1, 2, 3, 4, 5, 6, 7, 8].map((n) => of(`--series-${n}`)),
  };
};

mlassay.SHAPES = ["circle", "rect", "triangle", "rectRot", "crossRot", "star", "rectRounded", "dash"];

mlassay.axis = (spec, colours, along) => {
  const axis = {
    type: spec.log ? "logarithmic" : "linear",
    reverse: spec.reverse,
    title: { display: Boolean(spec.title), text: spec.title, color: colours.text },
    grid: { color: colours.line },
    border: { color: colours.quiet },
    ticks: { color: colours.text, font: { size: 12 } },
  };
  if (spec.ticks.length) {
    axis.offset = false;
    axis.min = -0.6;
    axis.max = spec.ticks.length - 0.4;
    axis.afterBuildTicks = (scale) => { scale.ticks = spec.ticks.map((_, value) => ({ value })); };
    axis.ticks = { ...axis.ticks, autoSkip: spec.ticks.length > 60, callback: (value) => mlassay.short(spec.ticks[value] ?? "", along) };
  } else if (spec.log) {
    axis.ticks.callback = (value, _, all) => {
      const lead = Number.parseFloat((value / 10 ** Math.floor(Math.log10(value) + 1e-9)).toFixed(3));
      const wide = all.length && all[all.length - 1].value / all[0].value > 150;
      return lead === 1 || (!wide && (lead === 2 || lead === 5)) ? mlassay.number(value) : "";
    };
  } else {
    axis.ticks.callback = (value) => mlassay.number(value);
    axis.beginAtZero = true;
  }
  return axis;
};

mlassay.short = (text, along) => {
  const most = along === "y" && window.innerWidth < 600 ? 20 : 44;
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
};

mlassay.dataset = (series, at, spec, colours) => {
  const colour = colours.series[at % colours.series.length];
  const bars = series.kind === "bars";
  const line = series.kind === "line" || series.kind === "steps";
  return {
    type: bars ? "bar" : "line",
    label: series.name,
    data: series.points.map(([x, y, label, href]) => ({ x, y, label, href })),
    showLine: line,
    stepped: series.kind === "steps" ? "before" : false,
    fill: false,
    spanGaps: false,
    borderColor: colour,
    borderWidth: bars ? 0 : line ? 2 : 1.4,
    borderDash: line && at ? [[], [6, 3], [2, 3], [8, 3, 2, 3]][at % 4] : [],
    backgroundColor: bars ? colour : `${colour}55`,
    pointStyle: mlassay.SHAPES[at % mlassay.SHAPES.length],
    pointRadius: line && series.points.length > 30 ? 0 : 4.5,
    pointHoverRadius: 7,
    pointHitRadius: 8,
    maxBarThickness: 46,
  };
};

// Straight lines across for bounds.
mlassay.marks = (spec, colours) => ({
  id: "marks",
  afterDatasetsDraw(chart) {
    const { ctx, chartArea: area, scales } = chart;
    for (const mark of spec.marks) {
      const at = scales[mark.axis].getPixelForValue(mark.value);
      const [low, high] = mark.axis === "x" ? [area.left, area.right] : [area.top, area.bottom];
      if (!(at >= low - 1 && at <= high + 1)) continue;
      ctx.save();
      ctx.strokeStyle = colours.text;
      ctx.setLineDash([5, 4]);
      ctx.lineWidth = 1.3;
      ctx.beginPath();
      if (mark.axis === "x") { ctx.moveTo(at, area.top); ctx.lineTo(at, area.bottom); } else { ctx.moveTo(area.left, at); ctx.lineTo(area.right, at); }
      ctx.stroke();
      ctx.fillStyle = colours.text;
      ctx.font = "12px system-ui, sans-serif";
      if (mark.axis === "x") {
        ctx.textAlign = at > (low + high) / 2 ? "right" : "left";
        ctx.fillText(mark.label, at + (at > (low + high) / 2 ? -5 : 5), area.top + 12);
      } else { ctx.textAlign = "right"; ctx.fillText(mark.label, area.right - 4, at - 5); }
      ctx.restore();
    }
  },
});

mlassay.config = (spec, colours) => ({
  type: "line",
  data: { datasets: spec.series.map((s, at) => mlassay.dataset(s, at, spec, colours)) },
  plugins: [mlassay.marks(spec, colours)],
  options: {
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    normalized: true,
    interaction: { mode: "nearest", intersect: true },
    onClick: (_, hits, chart) => {
      const hit = hits[0] && chart.data.datasets[hits[0].datasetIndex].data[hits[0].index];
      if (hit && hit.href) window.location.assign(hit.href);
    },
    onHover: (event, hits, chart) => {
      const hit = hits[0] && chart.data.datasets[hits[0].datasetIndex].data[hits[0].index];
      event.native.target.style.cursor = hit && hit.href ? "pointer" : "default";
    },
    scales: {
      x: { ...mlassay.axis(spec.x, colours, "x"), stacked: spec.stacked },
      y: { ...mlassay.axis(spec.y, colours, "y"), stacked: spec.stacked },
    },
    plugins: {
      legend: { display: spec.series.length > 1, position: "top", align: "start", labels: { color: colours.text, usePointStyle: true, boxHeight: 8 } },
      tooltip: {
        displayColors: false,
        callbacks: {
          title: () => "",
          label: (item) => {
            const p = item.raw;
            const said = (axis, value) => (axis.ticks.length ? axis.ticks[Math.round(value)] : mlassay.number(value));
            return [p.label || item.dataset.label, `${spec.x.title}: ${said(spec.x, p.x)}`, `${spec.y.title}: ${said(spec.y, p.y)}`];
          },
        },
      },
    },
  },
});

mlassay.draw = (canvas, spec) => {
  const old = Chart.getChart(canvas);
  if (old) old.destroy();
  canvas.spec = spec;
  const box = canvas.parentElement;
  if (spec.y.ticks.length > 8) box.style.height = `${Math.max(320, 90 + 22 * spec.y.ticks.length)}px`;
  return new Chart(canvas, mlassay.config(spec, mlassay.colours()));
};

mlassay.redraw = () => {
  for (const canvas of document.querySelectorAll("canvas")) if (canvas.spec) mlassay.draw(canvas, canvas.spec);
};

document.addEventListener("DOMContentLoaded", () => {
  for (const data of document.querySelectorAll("script[data-for]")) {
    const canvas = document.querySelector(`canvas[data-chart="${CSS.escape(data.dataset.for)}"]`);
    if (canvas) mlassay.draw(canvas, JSON.parse(data.textContent));
  }
  document.addEventListener("themechange", mlassay.redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", mlassay.redraw);
  matchMedia("print").addEventListener("change", mlassay.redraw);
});
