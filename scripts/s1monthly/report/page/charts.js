// The statistics of the bands through time: a figure for each band, with axes, units and source.
"use strict";

s1monthly.charts = (index) => {
  const { html, svg, put, at, title, monthText, ordinal, show, state } = s1monthly;
  const COLOURS = ["#0072b2", "#b34700", "#00795a", "#9b4a7d"]; // Okabe and Ito's, darkened to be read on white
  const OTHER = "#4d5a66";
  const FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
  const EDGE = { left: 58, right: 26, top: 30, bottom: 40 };
  const HEIGHT = 230;
  let shown = []; // figures of the last drawing
  let drawing = 0;

  function niceStep(span, most) {
    const rough = span / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    return power * [1, 2, 5, 10].find((one) => one * power >= rough * (1 - 1e-9));
  }
  const unitOf = (band) => (band.units && band.units !== "1" ? band.units : "");
  const nameOf = (band) => band.name.replace(/_dB$/, "").replaceAll("_", " ");
  const textOf = (band) => band.text.charAt(0).toUpperCase() + band.text.slice(1);

  function valuesOf(one, band) {
    const start = ordinal(one.summary.first);
    return one.months.map((month, place) => {
      const found = month.bands && month.bands[band.name];
      return found && found[0] !== null ? { month: start + place, mean: found[0], std: found[1], low: found[2], high: found[3], valid: found[4] } : null;
    });
  }
  // runs of months that follow each other: a line ends where there is no data
  const runs = (values) => values.reduce((found, one) => {
    if (!one) found.push([]);
    else found[found.length - 1].push(one);
    return found;
  }, [[]]).filter((run) => run.length);

  function chart(band, place, width, one, other) {
    const series = [[one, COLOURS[place % COLOURS.length], valuesOf(one, band)]];
    if (other) series.push([other, OTHER, valuesOf(other, band)]);
    const values = series.flatMap(([, , found]) => found.filter(Boolean));
    if (!values.length) return null;
    const months = values.map((value) => value.month);
    let [from, to] = [Math.min(...months), Math.max(...months)];
    if (from === to) [from, to] = [from - 1, to + 1];
    const lows = values.map((value) => value.mean - value.std), highs = values.map((value) => value.mean + value.std);
    const step = niceStep(Math.max(Math.max(...highs) - Math.min(...lows), 1e-6), 4);
    const [bottom, top] = [Math.floor(Math.min(...lows) / step - 1e-9) * step, Math.ceil(Math.max(...highs) / step + 1e-9) * step];
    const inner = { width: width - EDGE.left - EDGE.right, height: HEIGHT - EDGE.top - EDGE.bottom };
    const x = (month) => EDGE.left + ((month - from + 0.5) / (to - from + 1)) * inner.width;
    const y = (value) => EDGE.top + ((top - value) / (top - bottom)) * inner.height;
    const text = (a, b, words, more) => svg("text", { x: a, y: b, fill: "#37434e", "font-size": 12, ...more }, words);
    const line = (x1, y1, x2, y2, more) => svg("line", { x1, y1, x2, y2, stroke: "#dde3e8", ...more });

    const axes = svg("g", { class: "axes" });
    const heading = textOf(band).split(";")[0];
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    for (let tick = 0; bottom + tick * step <= top + step / 2; tick += 1) {
      const value = bottom + tick * step;
      axes.append(line(EDGE.left, y(value), width - EDGE.right, y(value)),
        text(EDGE.left - 8, y(value) + 4, value.toFixed(digits).replace("-", "−").replace(/^−(0(\.0*)?)$/, "$1"), { "text-anchor": "end", class: "y" }));
    }
    const span = to - from + 1;
    const every = [1, 2, 3, 6, 12, 24, 60, 120].find((count) => (span / count) * (count < 12 ? 58 : 44) <= inner.width) || 240;
    for (let month = from; month <= to; month += 1) {
      if (month % every === 0) {
        axes.append(line(x(month), EDGE.top + inner.height, x(month), EDGE.top + inner.height + 5, { stroke: "#37434e" }),
          text(x(month), EDGE.top + inner.height + 19, every < 12 ? monthText(month) : monthText(month).slice(0, 4), { "text-anchor": "middle", class: "x" }));
      }
    }
    axes.append(line(EDGE.left, EDGE.top + inner.height, width - EDGE.right, EDGE.top + inner.height, { stroke: "#37434e" }),
      text(EDGE.left + inner.width / 2, HEIGHT - 6, "month", { "text-anchor": "middle" }),
      text(0, 0, `${nameOf(band)}${unitOf(band) ? ` (${unitOf(band)})` : ""}`, { "text-anchor": "middle", transform: `translate(14 ${EDGE.top + inner.height / 2}) rotate(-90)` }),
      text(EDGE.left, 16, heading, { "font-weight": 600, fill: "#1b2733", "font-size": Math.min(13, (1.7 * inner.width) / heading.length) }));

    const lines = svg("g");
    for (const [of, colour, found] of series.toReversed()) {
      for (const run of runs(found)) {
        const upper = run.map((one) => `${x(one.month).toFixed(2)},${y(one.mean + one.std).toFixed(2)}`);
        const lower = run.map((one) => `${x(one.month).toFixed(2)},${y(one.mean - one.std).toFixed(2)}`).reverse();
        if (of === one) lines.append(run.length > 1
          ? svg("polygon", { points: [...upper, ...lower].join(" "), fill: colour, "fill-opacity": 0.13 })
          : svg("line", { x1: x(run[0].month), x2: x(run[0].month), y1: y(run[0].mean - run[0].std), y2: y(run[0].mean + run[0].std), stroke: colour, "stroke-opacity": 0.35, "stroke-width": 4 }));
        lines.append(svg("polyline", { points: run.map((one) => `${x(one.month).toFixed(2)},${y(one.mean).toFixed(2)}`).join(" "), fill: "none", stroke: colour, "stroke-width": 1.8, "stroke-dasharray": of === one ? null : "5 4" }));
        lines.append(...run.map((value) => svg("circle", { cx: x(value.month).toFixed(3), cy: y(value.mean).toFixed(3), r: span > 60 ? 2 : 3, fill: of === one ? colour : "#ffffff", stroke: colour, "data-month": monthText(value.month), "data-cube": of.summary.name })));
      }
    }
    const marker = svg("line", { class: "marker", y1: EDGE.top, y2: EDGE.top + inner.height, stroke: "#1b2733", "stroke-dasharray": "2 3" });
    const answer = text(width - EDGE.right, 16, "", { "text-anchor": "end", class: "answer" });
    const picture = svg("svg", {
      xmlns: "http://www.w3.org/2000/svg", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img",
      "font-family": FONT, "aria-label": `${textOf(band)}: mean in ${values.length} months, from ${monthText(from)} to ${monthText(to)}`, "data-band": band.name,
      onclick: (event) => {
        const month = from + Math.floor(((event.offsetX - EDGE.left) / inner.width) * span);
        if (month >= from && month <= to) show({ month });
      },
    }, svg("rect", { width, height: HEIGHT, fill: "#ffffff" }), axes, lines, marker, answer);
    const mine = new Map(series[0][2].filter(Boolean).map((value) => [value.month, value]));
    const unit = unitOf(band) ? ` ${unitOf(band)}` : "";
    const mark = (month) => {
      const inside = month >= from && month <= to;
      marker.setAttribute("visibility", inside ? "visible" : "hidden");
      marker.setAttribute("x1", x(month));
      marker.setAttribute("x2", x(month));
      const value = mine.get(month);
      answer.textContent = width < 430 ? "" : value ? `${monthText(month)}: ${number(value.mean, unit)} ± ${number(value.std, unit)}${unit}` : `${monthText(month)}: no value`;
    };
    return { band, picture, mark, one };
  }
  const number = (value, unit) => value.toFixed(unit ? 2 : 3).replace("-", "−");

  function source(one) {
    const years = [...new Set([one.months[0], one.months.at(-1)].map((_, place) => monthText(ordinal(one.summary.first) + (place ? one.months.length - 1 : 0)).slice(0, 4)))].join("–");
    const from = one.simulated ? "Simulated data" : `Contains modified Copernicus Sentinel data ${years}`;
    return `${title(one.summary)}, ${one.summary.crs}, ${one.summary.pixel}; ${from}; monthly composites by s1monthly ${index.version}`;
  }

  function draw(one, other) {
    const room = at("charts").clientWidth;
    const columns = room > 900 ? 2 : 1;
    const width = Math.floor((room - (columns - 1) * 20) / columns);
    shown = one.summary.first ? one.bands.map((band, place) => chart(band, place, width, one, other)).filter(Boolean) : [];
    put("charts", shown.length ? shown.map(({ picture }) => picture) : html("p", { class: "notice" }, "No month has values yet."));
    for (const id of ["save-figure", "save-table"]) at(id).disabled = !shown.length;
    put("charts-note", shown.length
      ? `Line: mean of the pixels with a value; area: ± one standard deviation of these pixels. Bands in dB are averaged as decibels, as they are stored, not as power. ${other ? `Dashed: ${title(other.summary)}. ` : ""}Source: records of the months (months/*.json). ${source(one)}.`
      : "");
    shown.forEach(({ mark }) => mark(state.month));
  }

  // files to keep

  function save(name, type, text) {
    const address = URL.createObjectURL(new Blob([text], { type }));
    html("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }
  at("save-figure").addEventListener("click", () => {
    const width = Number(shown[0].picture.getAttribute("width"));
    const height = shown.length * HEIGHT + 38;
    const whole = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, "font-family": FONT },
      svg("rect", { width, height, fill: "#ffffff" }),
      shown.map(({ picture }, place) => {
        const copy = picture.cloneNode(true);
        copy.setAttribute("y", place * HEIGHT);
        copy.querySelector(".marker").remove();
        copy.querySelector(".answer").remove();
        return copy;
      }),
      [source(shown[0].one), "Line: mean of the pixels with a value, of decibels as decibels; area: ± one standard deviation."].map((words, place) =>
        svg("text", { x: width - EDGE.right, y: height - 8 - 12 * place, "text-anchor": "end", "font-size": 9, fill: "#37434e" }, words)));
    save(`${state.cube}_bands.svg`, "image/svg+xml", new XMLSerializer().serializeToString(whole));
  });
  at("save-table").addEventListener("click", () => {
    const { one } = shown[0];
    const lines = [["tile", "direction", "month", "band", "units", "mean", "std", "minimum", "maximum", "valid_pixels"].join(",")];
    const direction = one.summary.name.slice(one.summary.tile.length + 1);
    for (const { band } of shown) {
      for (const value of valuesOf(one, band).filter(Boolean)) {
        lines.push([one.summary.tile, direction, monthText(value.month), band.name, band.units, value.mean, value.std, value.low, value.high, value.valid].join(","));
      }
    }
    save(`${state.cube}_bands.csv`, "text/csv", `${lines.join("\n")}\n`);
  });

  async function refresh(cube) {
    const turn = (drawing += 1);
    const other = state.compare && state.otherCube !== cube.name ? s1monthly.cube(state.otherCube) : null;
    const [one, two] = await Promise.all([cube, other].map((wanted) => (wanted && wanted.first ? s1monthly.load(wanted.name) : null)));
    if (turn !== drawing) return;
    if (one) draw(one, two);
    else put("charts", html("p", { class: "notice" }, cube.first ? "The data of this tile are not there; build the report again." : "No month was searched or made yet."));
  }
  let width = 0;
  new ResizeObserver(() => {
    if (at("charts").clientWidth !== width) {
      width = at("charts").clientWidth;
      if (state.cube) refresh(s1monthly.cube(state.cube));
    }
  }).observe(at("charts"));

  return (cube, changes) => {
    if (["cube", "compare", "otherCube"].some((name) => changes[name] !== undefined)) refresh(cube);
    else shown.forEach(({ mark }) => mark(state.month));
  };
};
