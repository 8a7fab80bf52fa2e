// Draws the charts of the report. All numbers come from #chart-data; nothing is computed here but places.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("chart-data").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const three = (value) => (value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2));
  const time = (ms) => (ms == null ? "–" : ms < 1 ? Math.round(ms * 1000) + " us" : ms < 1000 ? three(ms) + " ms" : three(ms / 1000) + " s");
  const tick = (ms) => (ms == null ? "" : ms < 1 ? +(ms * 1000).toPrecision(3) + " us" : ms < 1000 ? +ms.toPrecision(3) + " ms" : +(ms / 1000).toPrecision(3) + " s");
  const number = (value) => (value == null ? "–" : value.toLocaleString("en"));
  const share = (nines) => +(100 * (1 - Math.pow(10, -nines))).toFixed(Math.max(0, Math.ceil(nines) - 1)) + " %";

  const axis = (more) => ({
    stroke: colour("--quiet"), font: "12px system-ui, sans-serif",
    grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, ...more,
  });
  const line = (label, name, more) => ({
    label, stroke: colour(name), width: 1.75, points: { show: false }, ...more,
  });
  // A log scale needs at least one decade, or its axis has no labels.
  const decades = (u, low, high) => {
    const from = Math.pow(10, Math.floor(Math.log10(low || 0.1)));
    const to = Math.pow(10, Math.ceil(Math.log10(high || 1)));
    return [from, to > from ? to : from * 10];
  };

  const bands = (u) => {
    const { ctx, bbox } = u, ratio = devicePixelRatio;
    ctx.save();
    ctx.font = `${12 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    ctx.beginPath();
    ctx.rect(bbox.left, 0, bbox.width, bbox.top + bbox.height);
    ctx.clip();
    data.phases.forEach((phase, index) => {
      const from = u.valToPos(phase.from, "x", true), to = u.valToPos(phase.to, "x", true);
      if (index % 2 === 0) {
        ctx.fillStyle = colour("--band");
        ctx.fillRect(from, bbox.top, to - from, bbox.height);
      }
      ctx.fillStyle = colour("--line");
      ctx.fillRect(from, bbox.top - 18 * ratio, ratio, bbox.height + 18 * ratio);
      ctx.fillStyle = colour("--quiet");
      if (ctx.measureText(phase.name).width < to - from - 6 * ratio) {
        ctx.fillText(phase.name, from + 5 * ratio, bbox.top - 16 * ratio);
      }
    });
    ctx.restore();
  };

  const timeChart = (place, width) => {
    const t = data.time;
    const narrow = width < 600;
    const left = { scale: "n", value: (u, v) => number(v) };
    const right = { scale: "ms", value: (u, v) => time(v) };
    const options = {
      width, height: narrow ? 260 : 340, padding: [22, null, null, null],
      scales: { x: { time: false }, n: { range: (u, low, high) => [0, (high || 1) * 1.08] }, ms: { distr: 3, range: decades } },
      axes: [
        axis({ values: (u, splits) => splits.map((v) => v + " s") }),
        axis({ scale: "n", size: 58, values: (u, splits) => splits.map(number) }),
        axis({ scale: "ms", side: 1, size: 64, grid: { show: false }, values: (u, splits) => splits.map(tick) }),
      ],
      series: [
        { label: "at", value: (u, v) => (v == null ? "–" : v + " s") },
        line("agents", "--c8", { ...left, width: 1.5, fill: colour("--band") }),
        line("planned/s", "--c5", { ...left, dash: [5, 4] }),
        line("sent/s", "--c1", left),
        line("errors/s", "--bad", left),
        line("p50", "--c3", right),
        line("p99", "--c2", right),
        line("max", "--c4", { ...right, width: 1, dash: [2, 3] }),
      ],
      hooks: { drawClear: [bands] },
    };
    return new uPlot(options, [t.second, t.agents, t.planned, t.sent, t.errors, t.p50, t.p99, t.max], place);
  };

  const percentilePlot = (place, width) => {
    const narrow = width < 600;
    const options = {
      width, height: narrow ? 240 : 300,
      scales: { x: { time: false, range: (u, low, high) => [0, Math.max(2, high)] }, ms: { distr: 3, range: decades } },
      axes: [
        axis({ splits: (u, i, low, high) => Array.from({ length: Math.floor(high) + 1 }, (_, n) => n), values: (u, splits) => splits.map(share) }),
        axis({ scale: "ms", size: 64, values: (u, splits) => splits.map(tick) }),
      ],
      series: [
        { label: "share", value: (u, v) => (v == null ? "–" : share(v)) },
        ...data.curves.map((curve, index) => line(curve.operation, `--c${(index % 8) + 1}`, { scale: "ms", spanGaps: true, value: (u, v) => time(v) })),
      ],
    };
    return new uPlot(options, uPlot.join(data.curves.map((curve) => [curve.nines, curve.millis])), place);
  };

  let drawn = [];
  const draw = () => {
    drawn.forEach((plot) => plot.destroy());
    drawn = [["time-chart", timeChart], ["percentile-plot", percentilePlot]].flatMap(([id, make]) => {
      const place = document.getElementById(id);
      return place ? [make(place, place.clientWidth)] : [];
    });
  };
  draw();
  let width = innerWidth, waiting;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(draw, 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  matchMedia("print").addEventListener("change", draw);
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
})();
