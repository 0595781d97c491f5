"use strict";
/* All charts of the page, and what they share. */
const report = (() => {
  const page = JSON.parse(document.getElementById("report-data").textContent);
  const CONFIG = { responsive: true, displayModeBar: false };
  const redraws = [];

  /* ---- colours: figures name them, the style sheet knows them ---- */
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const painted = (node) => {
    if (typeof node === "string") {
      const name = /^var\((--[\w-]+)\)$/.exec(node);
      return name ? css(name[1]) : node;
    }
    if (node === null || typeof node !== "object" || ArrayBuffer.isView(node)) return node;
    if (Array.isArray(node)) return node.map(painted);
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, painted(value)]));
  };

  /* ---- what all charts share ---- */
  const AXIS = { gridcolor: "var(--grid)", linecolor: "var(--line)", tickcolor: "var(--line)", zeroline: false,
    showline: true, ticks: "outside", ticklen: 4, automargin: true, exponentformat: "none", separatethousands: true, title: { standoff: 8, font: { size: 12.5 } } };
  const SHARED = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 48, r: 12, t: 12, b: 40 }, hovermode: "x unified",
    legend: { orientation: "h", x: 0, y: 1.01, yanchor: "bottom", font: { size: 12 } },
    hoverlabel: { bgcolor: "var(--raised)", bordercolor: "var(--line)", font: { color: "var(--ink)" } },
    font: { family: "var(--font)", size: 12.5, color: "var(--ink)" } };
  const merged = (under, over) => {
    const plain = (x) => x && typeof x === "object" && !Array.isArray(x);
    const out = { ...under };
    for (const [key, value] of Object.entries(over)) out[key] = plain(value) && plain(out[key]) ? merged(out[key], value) : value;
    return out;
  };
  const complete = (layout) => {
    const axes = { xaxis: AXIS, yaxis: AXIS };
    for (const key of Object.keys(layout)) if (/^[xy]axis\d*$/.test(key)) axes[key] = AXIS;
    return merged(merged(SHARED, axes), layout);
  };
  /* room that the longest of some labels takes */
  const widest = (labels) => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `${SHARED.font.size}px ${css("--font")}`;
    return Math.ceil(labels.reduce((most, label) => Math.max(most, pen.measureText(label).width), 0));
  };
  const draw = (id, data, layout) => Plotly.react(id, painted(data), painted(complete(layout)), CONFIG);

  /* ---- plain charts, some with a choice of series ---- */
  for (const figure of page.figures) {
    const choice = document.querySelector(`select[data-choice="${figure.id}"]`);
    const hidden = new Set();
    const redraw = () => {
      const { data, layout } = figure.drawings[choice ? Number(choice.value) : 0];
      return draw(figure.id, data.map((trace, i) => ({ ...trace, visible: !hidden.has(i) })), layout);
    };
    /* a legend under the chart hides and shows its lines, as Plotly's own does */
    document.querySelectorAll(`[data-legend="${figure.id}"] button`).forEach((button, i) => button.addEventListener("click", () => {
      if (!hidden.delete(i)) hidden.add(i);
      button.setAttribute("aria-pressed", String(!hidden.has(i)));
      redraw();
    }));
    if (choice) choice.addEventListener("change", redraw);
    redraws.push(redraw);
  }

  /* draw everything, now and whenever the reader's system changes between light and dark */
  const start = () => {
    const all = () => Promise.all(redraws.map((redraw) => redraw()));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
    return all().then(() => { document.documentElement.dataset.drawn = "true"; });
  };
  return { page, draw, widest, redraws, start };
})();
