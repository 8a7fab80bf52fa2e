// Draws the charts of the report. All numbers come from #chart-data; nothing is computed here but places.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("chart-data").textContent);
  const columns = new Map(data.columns.map((column) => [column.name, column.values]));
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const three = (value) => (value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2));
  const time = (ms) => (ms == null ? "–" : ms < 1 ? Math.round(ms * 1000) + " us" : ms < 1000 ? three(ms) + " ms" : three(ms / 1000) + " s");
  const tick = (ms) => (ms == null ? "" : ms < 1 ? +(ms * 1000).toPrecision(3) + " us" : ms < 1000 ? +ms.toPrecision(3) + " ms" : +(ms / 1000).toPrecision(3) + " s");
  const number = (value) => (value == null ? "–" : value.toLocaleString("en"));
  const share = (nines) => +(100 * (1 - Math.pow(10, -nines))).toFixed(Math.max(0, Math.ceil(nines) - 1)) + " %";
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  // Seconds as in the rest of the page while the run is short, then min:s, then h:min.
  const length = data.second.length ? data.second[data.second.length - 1] : 0;
  const clock = (s) => (length < 300 ? s + " s" : length < 7200 ? Math.floor(s / 60) + ":" + two(s % 60) : Math.floor(s / 3600) + ":" + two((s / 60) % 60) + " h");

  const FONT = "12px system-ui, sans-serif";
  const axis = (more) => ({
    stroke: colour("--quiet"), font: FONT,
    grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, ...more,
  });
  // Lines differ in colour and in dashes, so that neither has to be told apart alone.
  const DASHES = [[], [6, 3], [2, 2], [10, 3, 2, 3], [12, 4], [4, 2, 4, 6], [1, 3], [8, 2]];
  const line = (label, name, more) => ({ label, stroke: colour(name), width: 1.75, points: { show: false }, ...more });
  // A log scale needs at least one decade, or its axis has no labels.
  const decades = (u, low, high) => {
    const from = Math.pow(10, Math.floor(Math.log10(low || 0.1)));
    const to = Math.pow(10, Math.ceil(Math.log10(high || 1)));
    return [from, to > from ? to : from * 10];
  };

  const behind = (named) => (u) => {
    const { ctx, bbox } = u, ratio = devicePixelRatio;
    const at = (second) => u.valToPos(second, "x", true);
    const bottom = bbox.top + bbox.height;
    ctx.save();
    ctx.font = `${12 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    ctx.beginPath();
    ctx.rect(bbox.left, 0, bbox.width, bottom);
    ctx.clip();
    const rows = named ? 17 * ratio : 0;
    data.phases.forEach((phase, index) => {
      const from = at(phase.from), to = at(phase.to);
      if (index % 2 === 0) {
        ctx.fillStyle = colour("--band");
        ctx.fillRect(from, bbox.top, to - from, bbox.height);
      }
      ctx.fillStyle = colour("--edge");
      ctx.fillRect(from, bbox.top - rows, ratio, bbox.height + rows);
      ctx.fillStyle = colour("--quiet");
      if (named && ctx.measureText(phase.name).width < to - from - 6 * ratio) ctx.fillText(phase.name, from + 5 * ratio, bbox.top - 15 * ratio);
    });
    let free = -Infinity;
    data.faults.forEach((fault) => {
      const from = at(fault.from), to = Math.max(at(fault.to), from + 2 * ratio);
      ctx.fillStyle = colour("--fault");
      ctx.globalAlpha = 0.18;
      ctx.fillRect(from, bbox.top, to - from, bbox.height);
      ctx.globalAlpha = 1;
      ctx.fillRect(from, bbox.top, 1.5 * ratio, bbox.height);
      if (named && from > free) {
        ctx.fillText(fault.name, from + 5 * ratio, bbox.top + 3 * ratio);
        free = from + ctx.measureText(fault.name).width + 12 * ratio;
      }
    });
    ctx.strokeStyle = ctx.fillStyle = colour("--bad");
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash([4 * ratio, 3 * ratio]);
    let below = -Infinity;
    data.breaches.forEach((breach) => {
      const x = at(breach.from);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bottom);
      ctx.stroke();
      const width = ctx.measureText(breach.name).width;
      if (named && x > below) {
        const left = Math.min(x + 5 * ratio, bbox.left + bbox.width - width - 3 * ratio);
        ctx.fillText(breach.name, left, bbox.top + 19 * ratio);
        below = left + width + 8 * ratio;
      }
    });
    ctx.restore();
  };

  const left = { scale: "n", value: (u, v) => number(v) };
  const right = { scale: "ms", value: (u, v) => time(v) };
  const percent = { scale: "n", value: (u, v) => (v == null ? "–" : v + " %") };
  // Lines of which the data tells how many there are.
  const named = (prefix, more) => [...columns.keys()].filter((name) => name.startsWith(prefix))
    .map((name, index) => [name, name.slice(prefix.length), `--c${(index % 6) + 1}`, { ...more, dash: DASHES[index % 8] }]);
  // One entry a chart: its title, its lines as [column, label, colour, more].
  const CHARTS = [
    { title: "Calls and response time", unit: "left: calls per second; right: response of all operations", wide: true, lines: [
      ["planned", "planned/s", "--c5", { ...left, dash: [6, 3] }], ["sent", "sent/s", "--c1", left],
      ["p50", "p50", "--c3", { ...right, dash: [2, 2] }], ["p99", "p99", "--c2", right], ["max", "max", "--c4", { ...right, width: 1, dash: [10, 3, 2, 3] }]] },
    { title: "Agents", unit: "registered, as far as their own answers told", lines: [["agents", "agents", "--c1", left]] },
    { title: "Errors and misses", unit: "per second", lines: [["errors", "errors", "--bad", left], ["misses", "misses", "--c5", { ...left, dash: [6, 3] }]] },
    { title: "Errors by kind", unit: "per second", lines: named("error ", left) },
    { title: "Response by operation", unit: "p99", lines: named("p99 ", right) },
    { title: "Polls answered unchanged (304)", unit: "per cent", lines: [["unchanged", "unchanged", "--c3", percent]] },
    { title: "Freshness", unit: "the worst of what views showed for the first time", lines: [["freshness", "how late", "--c4", { ...right, points: { show: true, size: 4 } }]] },
    { title: "Lag of the harness", unit: "p99 of sent minus planned", lines: [["lag", "lag p99", "--c4", right]] },
    { title: "In flight and bursts", unit: "calls", lines: [["in_flight", "in flight", "--c1", left], ["peak_100ms", "due in the busiest 100 ms", "--c2", { ...left, dash: [6, 3] }]] },
    { title: "CPU", unit: "cores", lines: [["registry_cores", "registry", "--c1", left], ["harness_cores", "harness", "--c5", { ...left, dash: [6, 3] }]] },
    { title: "Harness waiting for a core", unit: "per cent of the time, all threads", lines: [["harness_wait", "waiting", "--c5", percent]] },
    { title: "Descriptors", unit: "open", lines: [["registry_descriptors", "registry", "--c1", left], ["harness_descriptors", "harness", "--c5", { ...left, dash: [6, 3] }]] },
    { title: "Memory of the registry", unit: "MB", lines: [["registry_megabytes", "registry", "--c1", left]] },
  ];

  const sync = uPlot.sync("time");
  let drawn = [];
  const shown = new WeakMap();
  // What a chart says to somebody who does not see it.
  const summary = (chart) => `${chart.title}, ${chart.unit}. ` + chart.lines.map(([name, label, , more]) => {
    let high = 0;
    const values = columns.get(name);
    values.forEach((value, index) => { if (value != null && value > (values[high] ?? -1)) high = index; });
    return `${label}: at most ${more.value(null, values[high])}, at ${clock(data.second[high])}`;
  }).join("; ") + ". The table below has the figures.";

  const step = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    const plots = drawn.filter((plot) => plot.onTime);
    if (!by || plots.length === 0) return;
    event.preventDefault();
    const at = Math.min(Math.max((plots[0].cursor.idx ?? 0) + by, 0), data.second.length - 1);
    plots.forEach((plot) => plot.setCursor({ left: plot.valToPos(data.second[at], "x"), top: plot.over.clientHeight / 2 }));
    const chart = shown.get(event.currentTarget);
    document.getElementById("read-out").textContent = clock(data.second[at]) + ": " +
      chart.lines.map(([name, label, , more]) => `${label} ${more.value(null, columns.get(name)[at])}`).join(", ");
  };

  const timeChart = (chart, place) => {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const unit = document.createElement("small");
    const plot = document.createElement("div");
    figure.className = chart.wide ? "wide-chart" : "";
    caption.textContent = chart.title + " ";
    unit.textContent = chart.unit;
    caption.append(unit);
    plot.tabIndex = 0;
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", summary(chart));
    shown.set(plot, chart);
    plot.addEventListener("keydown", step);
    figure.append(caption, plot);
    place.append(figure);
    const has = (scale) => chart.lines.some(([, , , more]) => more.scale === scale);
    const width = plot.clientWidth, both = has("n") && has("ms");
    const made = new uPlot({
      width, height: chart.wide ? (width < 600 ? 260 : 330) : 190, padding: [chart.wide ? 22 : 8, both ? null : 12, null, null],
      cursor: { sync: { key: sync.key, scales: ["x", null] }, drag: { x: true, y: false } },
      scales: { x: { time: false }, ...(has("n") && { n: { range: (u, low, high) => [0, (high || 1) * 1.08] } }), ...(has("ms") && { ms: { distr: 3, range: decades } }) },
      axes: [
        axis({ incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400], values: (u, splits) => splits.map(clock), space: 60 }),
        ...(has("n") ? [axis({ scale: "n", size: 56, values: (u, splits) => splits.map(number) })] : []),
        ...(has("ms") ? [axis({ scale: "ms", side: both ? 1 : 3, size: 60, ...(both && { grid: { show: false } }), values: (u, splits) => splits.map(tick) })] : []),
      ],
      series: [{ label: "at", value: (u, v) => (v == null ? "–" : clock(v)) }, ...chart.lines.map(([, label, name, more]) => line(label, name, more))],
      hooks: { drawClear: [behind(chart.wide)] },
    }, [data.second, ...chart.lines.map(([name]) => columns.get(name))], plot);
    made.onTime = true;
    return made;
  };

  const percentilePlot = (place) => {
    const width = place.clientWidth, held = data.curves.some((curve) => curve.baseline_of != null);
    const options = {
      width, height: width < 600 ? 240 : 300,
      scales: { x: { time: false, range: (u, low, high) => [0, Math.max(2, high)] }, ms: { distr: 3, range: decades } },
      axes: [
        axis({ splits: (u, i, low, high) => Array.from({ length: Math.floor(high) + 1 }, (_, n) => n), values: (u, splits) => splits.map(share) }),
        axis({ scale: "ms", size: 64, values: (u, splits) => splits.map(tick) }),
      ],
      series: [
        { label: "share", value: (u, v) => (v == null ? "–" : share(v)) },
        ...data.curves.map((curve, index) => line(curve.operation, `--c${((curve.baseline_of ?? index) % 6) + 1}`, {
          scale: "ms", spanGaps: true, value: (u, v) => time(v),
          // What is dashed is the baseline, where there is one; else dashes tell operations apart.
          ...(held ? (curve.baseline_of == null ? {} : { dash: [6, 4], width: 1.25 }) : { dash: DASHES[index % 8] }),
        })),
      ],
    };
    return new uPlot(options, uPlot.join(data.curves.map((curve) => [curve.nines, curve.millis])), place);
  };

  const draw = () => {
    drawn.forEach((plot) => plot.destroy());
    drawn = [];
    const times = document.getElementById("time-charts"), curves = document.getElementById("percentile-plot");
    if (times) {
      times.replaceChildren();
      for (const chart of CHARTS) {
        const known = { ...chart, lines: chart.lines.filter(([name]) => columns.has(name)) };
        if (known.lines.length > 0) drawn.push(timeChart(known, times));
      }
    }
    if (curves) drawn.push(percentilePlot(curves));
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
  // Charts are as wide as when they were drawn: on paper as wide as A4 or Letter bears.
  const paper = (on) => {
    document.body.style.width = on ? "690px" : "";
    if (on) document.querySelectorAll("details").forEach((part) => { part.open = true; });
    draw();
  };
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));
})();
