"use strict";
/* Forecast against truth: all bars are in the page, a few hundred candles are drawn. */
(() => {
  const { draw, widest, charts, page } = report;
  const CANDLES = 400;
  const KINDS = { f4: Float32Array, f8: Float64Array, i4: Int32Array, u1: Uint8Array };
  const decoded = ({ dtype, bdata }) => new KINDS[dtype](Uint8Array.from(atob(bdata), (c) => c.charCodeAt(0)).buffer);
  const firstOf = (part) => part[0];
  const lastOf = (part) => part[part.length - 1];
  const least = (part) => part.reduce((a, b) => (b < a ? b : a));
  const most = (part) => part.reduce((a, b) => (b > a ? b : a));
  const mean = (part) => part.reduce((a, b) => a + b, 0) / part.length;
  const grouped = (values, from, to, size, how) => {
    const out = [];
    for (let i = from; i < to; i += size) out.push(how(values.subarray(i, Math.min(i + size, to))));
    return out;
  };
  /* first index whose value is at least x */
  const place = (sorted, x) => {
    let low = 0, high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < x) low = middle + 1; else high = middle;
    }
    return low;
  };
  const unpack = (series) => {
    let slot = 0;
    const out = { ...series, time: Float64Array.from(decoded(series.gaps), (gap) => 1000 * (series.begin + (slot += gap) * series.unit)) };
    for (const name of ["open", "high", "low", "close"]) if (series[name]) out[name] = decoded(series[name]);
    out.steps = series.steps.map((step) => Object.fromEntries(
      Object.entries(step).map(([name, value]) => [name, name === "ahead" ? value
        : Array.isArray(value) ? value.map(decoded) : decoded(value)])));
    return out;
  };

  const explore = (spec) => {
    const box = document.getElementById(spec.id).closest("figure");
    const control = (name) => box.querySelector(`[data-control="${name}"]`);
    const chosen = (name) => (control(name) ? Number(control(name).value) : 0);
    /* two charts with the same time axis, one under the other: room for prices and their title, and for every bin */
    const aligned = spec.bins.length ? { l: Math.max(112, widest(spec.bins) + 12), t: 24 } : {};
    const cache = new Map();
    let range = null;

    const current = () => {
      const i = chosen("series");
      if (!cache.has(i)) cache.set(i, unpack(spec.series[i]));
      return cache.get(i);
    };
    const lastBars = (count) => {
      const { time, width } = current();
      const from = count ? Math.max(time.length - count, 0) : 0;
      range = [time[from] - 500 * width, time[time.length - 1] + 500 * width];
    };

    const redraw = () => {
      const series = current();
      if (range === null) lastBars(spec.first);
      const { time, width } = series;
      const step = series.steps[chosen("step")];
      const seen = [place(time, range[0]), place(time, range[1] + 1)];
      const size = Math.max(1, Math.ceil((seen[1] - seen[0]) / CANDLES));
      const from = Math.max(0, (Math.floor(seen[0] / size) - 1) * size);
      const to = Math.min(time.length, (Math.ceil(seen[1] / size) + 1) * size);
      const take = (values, how = lastOf) => grouped(values, from, to, size, how);
      const x = take(time);
      const close = take(series.close);
      const data = [];
      const extent = [];

      if (step.low) {
        const low = take(step.low), high = take(step.high);
        extent.push(low, high);
        data.push({ type: "scatter", x, y: low, name: `${spec.level} % from`, mode: "lines", line: { width: 0 }, showlegend: false },
          { type: "scatter", x, y: high, name: `${spec.level} % interval`, mode: "lines", line: { width: 0 }, fill: "tonexty", fillcolor: "var(--band)" });
      }
      if (series.open) {
        const candle = { x, open: take(series.open, firstOf), high: take(series.high, most), low: take(series.low, least), close };
        extent.push(candle.high, candle.low);
        data.push({ type: "candlestick", ...candle, name: "truth", increasing: { line: { color: "var(--up)", width: 1.2 } },
          decreasing: { line: { color: "var(--down)", width: 1.2 } } });
      } else {
        data.push({ type: "scatter", x, y: close, name: "truth", mode: "lines", line: { color: "var(--ink)", width: 1.3 } });
      }
      extent.push(close);
      if (step.point) {
        const point = take(step.point);
        extent.push(point);
        data.push({ type: "scatter", x, y: point, name: "forecast", mode: "lines", line: { color: "var(--model)", width: 1.5 } });
      }
      /* the whole span, for the slider only: its own axis keeps it out of sight above */
      const rough = Math.max(1, Math.ceil(time.length / 1000));
      const whole = [least(series.low || series.close), most(series.high || series.close)];
      const reach = whole[1] - whole[0] || 1;
      data.push({ type: "scatter", x: grouped(time, 0, time.length, rough, lastOf), y: grouped(series.close, 0, time.length, rough, lastOf),
        mode: "lines", line: { color: "var(--faint)", width: 1 }, hoverinfo: "skip", showlegend: false, yaxis: "y2" });

      const inside = x.map((t) => t >= range[0] && t <= range[1]);
      let bottom = Infinity, top = -Infinity;
      for (const values of extent) {
        values.forEach((value, i) => {
          if (inside[i] && value < bottom) bottom = value;
          if (inside[i] && value > top) top = value;
        });
      }
      const pad = 0.04 * (top - bottom) || 1;
      const slider = { rangemode: "fixed", range: whole };
      const layout = {
        xaxis: { type: "date", range: range.slice(), rangebreaks: series.breaks, title: { text: "bar opens (UTC)" },
          rangeslider: { thickness: 0.12, range: [time[0] - 500 * width, time[time.length - 1] + 500 * width], yaxis: slider, yaxis2: slider,
            bordercolor: "var(--line)", borderwidth: 1 } },
        margin: aligned,
        yaxis: { title: { text: spec.unit }, fixedrange: true, automargin: !spec.bins.length, range: bottom < top ? [bottom - pad, top + pad] : undefined },
        yaxis2: { overlaying: "y", visible: false, fixedrange: true, range: [whole[1] + reach, whole[1] + 2 * reach] },
        dragmode: "pan",
      };
      control("state").textContent = (size > 1 ? `each ${series.open ? "candle" : "point"} is ${size} bars` : "each bar is drawn")
        + `, ${(seen[1] - seen[0]).toLocaleString("en")} of ${time.length.toLocaleString("en")} shown`;
      const drawn = [draw(spec.id, data, layout)];
      if (step.probs) drawn.push(heat(series, step, take, x, size));
      return Promise.all(drawn);
    };

    /* probability of each bin over time, and the bin that came */
    const heat = (series, step, take, x, size) => {
      const z = step.probs.map((row) => take(row, mean).map((p) => p / 2.55));
      const depth = z.flat().reduce((a, b) => Math.max(a, b), 1);
      return draw(`${spec.id}-bins`, [
      { type: "heatmap", x, y: spec.bins, z, name: "probability",
        colorscale: [[0, "var(--heat-low)"], [1, "var(--heat-high)"]], zmin: 0, zmax: depth, showscale: false,
        hovertemplate: "%{y}: %{z:.0f} %<extra></extra>" },
      ...(size > 1 ? [] : [{ type: "scatter", x, y: take(step.bin).map((k) => (k < spec.bins.length ? spec.bins[k] : null)), mode: "markers",
        name: "what came", marker: { color: "var(--down)", size: 5 } }]),
      ], { xaxis: { type: "date", range: range.slice(), rangebreaks: series.breaks, fixedrange: true }, margin: aligned,
        yaxis: { type: "category", categoryorder: "array", categoryarray: spec.bins, fixedrange: true, automargin: false } });
    };

    const again = (change) => () => { change(); redraw(); };
    if (control("series")) control("series").addEventListener("change", again(() => { range = null; }));
    if (control("step")) control("step").addEventListener("change", redraw);
    for (const button of box.querySelectorAll("button[data-bars]")) {
      button.addEventListener("click", again(() => lastBars(Number(button.dataset.bars))));
    }
    const instant = (value) => (typeof value === "number" ? value : Date.parse(`${value.replace(" ", "T").slice(0, 23)}${value.length > 10 ? "Z" : ""}`));
    charts.set(spec.id, () => redraw().then(() => {
      const plot = document.getElementById(spec.id);
      if (plot.dataset.listening) return;
      plot.dataset.listening = "true";
      plot.on("plotly_relayout", (event) => {
        if (!Object.keys(event).some((key) => key.startsWith("xaxis"))) return;
        if (event["xaxis.autorange"]) lastBars(0);
        else range = plot.layout.xaxis.range.map(instant);
        redraw();
      });
    }));
  };
  if (page.explorer) explore(page.explorer);
})();
report.start();
