"use strict";
// A session's power and energy over time; its data stand in the page and follow its changes.
(() => {
  const box = document.getElementById("chart");
  if (!box) return;

  const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let plot = null;
  let drawn = null;

  function axes() {
    const common = { stroke: colourOf("--faint"), grid: { stroke: colourOf("--line") }, ticks: { stroke: colourOf("--line") } };
    return [
      { ...common },
      { ...common, scale: "kW", label: "kW", size: 56 },
      { ...common, scale: "kWh", label: "kWh", side: 1, size: 56, grid: { show: false } },
    ];
  }

  function options() {
    return {
      width: box.clientWidth,
      height: 260,
      scales: { kW: { range: (_, __, most) => [0, (most || 1) * 1.1] }, kWh: { range: (_, __, most) => [0, (most || 1) * 1.1] } },
      axes: axes(),
      series: [
        { label: "Time" },
        { label: "kW", scale: "kW", stroke: colourOf("--accent"), width: 2, paths: uPlot.paths.stepped({ align: 1 }) },
        { label: "kWh", scale: "kWh", stroke: colourOf("--warn"), width: 2, dash: [6, 4] },
      ],
    };
  }

  function draw() {
    const text = document.getElementById("curve").dataset.curve;
    const data = JSON.parse(text);
    if (!data.length) {
      plot?.destroy();
      plot = drawn = null;
      box.textContent = "There is no power curve: nothing was measured yet.";
      return;
    }
    if (plot && text === drawn) return;
    if (plot) plot.setData(data);
    else {
      box.replaceChildren();
      plot = new uPlot(options(), data, box);
    }
    drawn = text;
  }

  function anew() {
    plot?.destroy();
    plot = drawn = null;
    draw();
  }

  document.addEventListener("htmx:afterSwap", draw);
  dark.addEventListener("change", anew);
  new ResizeObserver(() => plot?.setSize({ width: box.clientWidth, height: 260 })).observe(box);
  draw();
})();
