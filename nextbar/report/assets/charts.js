"use strict";
/* All charts of the page, and what they share. */
const report = (() => {
  const page = JSON.parse(document.getElementById("report-data").textContent);
  const CONFIG = { responsive: true, displayModeBar: false };
  const charts = new Map();
  let printing = false;

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
  const draw = (id, data, layout) => {
    const box = document.getElementById(id);
    const size = printing ? { width: box.clientWidth, height: box.clientHeight } : {};
    return Plotly.react(id, painted(data), painted({ ...complete(layout), ...size }), CONFIG);
  };

  /* ---- plain charts, some with a choice of series ---- */
  for (const figure of page.figures) {
    const choice = document.querySelector(`select[data-choice="${figure.id}"]`);
    const hidden = new Set();
    const redraw = () => {
      const i = choice ? Number(choice.value) : 0;
      const { data, layout } = figure.drawings[i];
      if (figure.alternatives) document.getElementById(figure.id).setAttribute("aria-label", figure.alternatives[i]);
      document.querySelectorAll(`[data-words="${figure.id}"] > [data-drawing]`).forEach((words) => { words.hidden = Number(words.dataset.drawing) !== i; });
      return draw(figure.id, data.map((trace, i) => ({ ...trace, visible: !hidden.has(i) })), layout);
    };
    /* a legend under the chart hides and shows its lines, as Plotly's own does */
    document.querySelectorAll(`[data-legend="${figure.id}"] button`).forEach((button, i) => button.addEventListener("click", () => {
      if (!hidden.delete(i)) hidden.add(i);
      button.setAttribute("aria-pressed", String(!hidden.has(i)));
      redraw();
    }));
    if (choice) choice.addEventListener("change", redraw);
    charts.set(figure.id, redraw);
  }

  /* what lies in a folded section has no width, so it is drawn when that is unfolded */
  const folds = [...document.querySelectorAll("section > details")];
  const visible = (id) => !document.getElementById(id).closest("details:not([open])");
  const drawn = (within) => Promise.all([...charts].filter(([id]) => within.contains(document.getElementById(id)) && visible(id)).map(([, redraw]) => redraw()));
  const mark = (boxes) => boxes.forEach((box) => { box.dataset.drawn = "true"; });
  const unfold = (box) => drawn(box).then(() => { box.querySelectorAll(".plot").forEach((plot) => Plotly.Plots.resize(plot)); mark([box]); });
  const button = document.querySelector("[data-fold]");
  const name = () => { button.textContent = folds.every((box) => box.open) ? "fold all" : "unfold all"; };
  for (const box of folds) box.addEventListener("toggle", () => { name(); if (box.open) unfold(box); });
  button.addEventListener("click", () => {
    const open = !folds.every((box) => box.open);
    for (const box of folds) box.open = open;
  });
  const target = () => {
    const heading = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const box = heading && heading.closest("section > details");
    if (box) box.open = true;
  };
  addEventListener("hashchange", target);
  document.querySelectorAll("nav a").forEach((link) => link.addEventListener("click", () => setTimeout(target)));

  /* on paper everything is unfolded, light, and as wide as the sheet */
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")].filter((box) => !box.closest(".tiles"));
    for (const box of closed) box.open = true;
    printing = true;
    document.documentElement.classList.add("printing");
    for (const redraw of charts.values()) redraw();
  });
  addEventListener("afterprint", () => {
    printing = false;
    document.documentElement.classList.remove("printing");
    for (const box of closed) box.open = false;
    drawn(document).then(() => [...charts.keys()].filter(visible).forEach((id) => Plotly.Plots.resize(id)));
  });

  /* draw what is seen, now and whenever the reader's system changes between light and dark */
  const start = () => {
    target();
    name();
    const all = () => drawn(document);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
    return all().then(() => { mark([...folds.filter((box) => box.open), document.documentElement]); });
  };
  return { page, draw, widest, charts, start };
})();
