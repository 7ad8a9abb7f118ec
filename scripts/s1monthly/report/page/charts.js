// The statistics of the bands through time: a figure for each band, with axes, units and source.
"use strict";

s1monthly.charts = (index) => {
  const { html, svg, put, at, title, monthText, ordinal, show, state } = s1monthly;
  const COLOURS = ["#0072b2", "#b34700", "#00795a", "#9b4a7d"]; // Okabe and Ito's, darkened to be read on white
  const OTHER = "#4d5a66";
  const FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
  const EDGE = { left: 58, right: 26, top: 42, bottom: 40 };
  const HEIGHT = 240;
  const INK = { stroke: "#37434e" };
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

  const minus = (text) => text.replace("-", "−");
  const text = (x, y, words, more) => svg("text", { x, y, fill: "#37434e", "font-size": 12, ...more }, words);
  const line = (x1, y1, x2, y2, more) => svg("line", { x1, y1, x2, y2, stroke: "#dde3e8", ...more });

  function valuesOf(one, band) {
    const start = ordinal(one.summary.first);
    return one.months.map((month, place) => {
      const found = month.bands && month.bands[band.name];
      return found && found[0] !== null
        ? { month: start + place, mean: found[0], std: found[1], low: found[2], high: found[3], valid: found[4] }
        : null;
    });
  }
  // runs of months that follow each other: a line ends where there is no data
  const runs = (values) =>
    values
      .reduce(
        (found, one) => {
          if (!one) found.push([]);
          else found[found.length - 1].push(one);
          return found;
        },
        [[]],
      )
      .filter((run) => run.length);

  // months along x, values along y; months and values that a figure must show decide the ends
  function scaleOf(values, width) {
    const months = values.map((value) => value.month);
    let [from, to] = [Math.min(...months), Math.max(...months)];
    if (from === to) [from, to] = [from - 1, to + 1];
    const low = Math.min(...values.map((value) => value.mean - value.std));
    const high = Math.max(...values.map((value) => value.mean + value.std));
    const step = niceStep(Math.max(high - low, Math.abs(high) / 100, 1e-3), 4);
    const [bottom, top] = [Math.floor(low / step - 1e-9) * step, Math.ceil(high / step + 1e-9) * step];
    const [left, right, floor] = [EDGE.left, width - EDGE.right, HEIGHT - EDGE.bottom];
    const span = to - from + 1;
    return {
      from,
      to,
      span,
      step,
      bottom,
      top,
      left,
      right,
      floor,
      x: (month) => left + ((month - from + 0.5) / span) * (right - left),
      y: (value) => EDGE.top + ((top - value) / (top - bottom)) * (floor - EDGE.top),
      month: (x) => from + Math.floor(((x - left) / (right - left)) * span),
    };
  }

  function drawAxes(band, scale) {
    const { from, to, span, step, bottom, top, left, right, floor, x, y } = scale;
    const axes = svg("g", { class: "axes" });
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    for (let tick = 0; bottom + tick * step <= top + step / 2; tick += 1) {
      const value = bottom + tick * step;
      const shown = value.toFixed(digits);
      axes.append(
        line(left, y(value), right, y(value)),
        text(left - 8, y(value) + 4, Number(shown) === 0 ? "0" : minus(shown), { "text-anchor": "end", class: "y" }),
      );
    }
    const fits = (count) => (span / count) * (count < 12 ? 58 : 44) <= right - left;
    const every = [1, 2, 3, 6, 12, 24, 60, 120].find(fits) || 240;
    for (let month = from; month <= to; month += 1) {
      if (month % every) continue;
      const words = every < 12 ? monthText(month) : monthText(month).slice(0, 4);
      axes.append(
        line(x(month), floor, x(month), floor + 5, INK),
        text(x(month), floor + 19, words, { "text-anchor": "middle", class: "x" }),
      );
    }
    const heading = textOf(band).split(";")[0];
    const unit = unitOf(band) ? ` (${unitOf(band)})` : "";
    const upright = `translate(14 ${(EDGE.top + floor) / 2}) rotate(-90)`;
    const bold = { "font-weight": 600, "font-size": Math.min(13, (1.7 * (right - left)) / heading.length) };
    axes.append(
      line(left, floor, right, floor, INK),
      text((left + right) / 2, HEIGHT - 6, "month", { "text-anchor": "middle" }),
      text(0, 0, nameOf(band) + unit, { "text-anchor": "middle", transform: upright }),
      text(left, 16, heading, bold),
    );
    return axes;
  }

  // a line for each run of months, with the area of the standard deviation; of the other tile dashed, and without
  function drawSeries(name, values, colour, isOther, { x, y, span }) {
    const drawn = svg("g");
    const point = (month, value) => `${x(month).toFixed(2)},${y(value).toFixed(2)}`;
    for (const run of runs(values)) {
      const upper = run.map((one) => point(one.month, one.mean + one.std));
      const lower = run.map((one) => point(one.month, one.mean - one.std)).reverse();
      const area = [...upper, ...lower].join(" ");
      const single = run.length === 1 ? { stroke: colour, "stroke-opacity": 0.35, "stroke-width": 4 } : {};
      if (!isOther) drawn.append(svg("polygon", { points: area, fill: colour, "fill-opacity": 0.13, ...single }));
      const points = run.map((one) => point(one.month, one.mean)).join(" ");
      const dashes = isOther ? "5 4" : null;
      drawn.append(
        svg("polyline", { points, fill: "none", stroke: colour, "stroke-width": 1.8, "stroke-dasharray": dashes }),
        ...run.map((one) =>
          svg("circle", {
            cx: x(one.month).toFixed(3),
            cy: y(one.mean).toFixed(3),
            r: span > 60 ? 2 : 3,
            fill: isOther ? "#ffffff" : colour,
            stroke: colour,
            "data-month": monthText(one.month),
            "data-cube": name,
          }),
        ),
      );
    }
    return drawn;
  }

  function chart(band, place, width, one, other) {
    const mine = valuesOf(one, band);
    const others = other ? valuesOf(other, band) : [];
    const values = [...mine, ...others].filter(Boolean);
    if (!values.length) return null;
    const scale = scaleOf(values, width);
    const { from, to, right, floor } = scale;
    const marker = svg("line", { class: "marker", y1: EDGE.top, y2: floor, "stroke-dasharray": "2 3", ...INK });
    const answer = text(right, 34, "", { "text-anchor": "end", class: "answer" });
    const picture = svg(
      "svg",
      {
        xmlns: "http://www.w3.org/2000/svg",
        width,
        height: HEIGHT,
        viewBox: `0 0 ${width} ${HEIGHT}`,
        role: "img",
        "font-family": FONT,
        "aria-label": `${textOf(band)}: mean in ${values.length} months, from ${monthText(from)} to ${monthText(to)}`,
        "data-band": band.name,
        onclick: (event) => {
          const month = scale.month(event.offsetX);
          if (month >= from && month <= to) show({ month });
        },
      },
      svg("rect", { width, height: HEIGHT, fill: "#ffffff" }),
      drawAxes(band, scale),
      other ? drawSeries(other.summary.name, others, OTHER, true, scale) : null,
      drawSeries(one.summary.name, mine, COLOURS[place % COLOURS.length], false, scale),
      marker,
      answer,
    );
    const byMonth = new Map(mine.filter(Boolean).map((value) => [value.month, value]));
    const unit = unitOf(band) ? ` ${unitOf(band)}` : "";
    const number = (value) => minus(value.toFixed(unit ? 2 : 3));
    const mark = (month) => {
      marker.setAttribute("visibility", month >= from && month <= to ? "visible" : "hidden");
      marker.setAttribute("x1", scale.x(month));
      marker.setAttribute("x2", scale.x(month));
      const value = byMonth.get(month);
      const words = value ? `${number(value.mean)} ± ${number(value.std)}${unit}` : "no value";
      answer.textContent = `${monthText(month)}: ${words}`;
    };
    return { band, picture, mark, one, other };
  }

  function source({ summary, months, simulated }) {
    const start = ordinal(summary.first);
    const years = [start, start + months.length - 1].map((month) => monthText(month).slice(0, 4));
    const data = `Contains modified Copernicus Sentinel data ${[...new Set(years)].join("–")}`;
    const by = `monthly composites by s1monthly ${index.version}`;
    return `${title(summary)}, ${summary.crs}, ${summary.pixel}; ${simulated ? "simulated data" : data}; ${by}`;
  }

  function draw(one, other) {
    const room = at("charts").clientWidth;
    const columns = room > 900 ? 2 : 1;
    const width = Math.floor((room - (columns - 1) * 20) / columns);
    shown = one.summary.first
      ? one.bands.map((band, place) => chart(band, place, width, one, other)).filter(Boolean)
      : [];
    put(
      "charts",
      shown.length ? shown.map(({ picture }) => picture) : html("p", { class: "notice" }, "No month has values yet."),
    );
    for (const id of ["save-figure", "save-table"]) at(id).disabled = !shown.length;
    const note = [
      "Line: mean of the pixels with a value; area: ± one standard deviation of these pixels.",
      "Bands in dB are averaged as decibels, as they are stored, not as power.",
      other ? `Dashed: ${title(other.summary)}.` : "",
      `Source: records of the months (months/*.json). ${source(one)}.`,
    ];
    put("charts-note", shown.length ? note.filter(Boolean).join(" ") : "");
    shown.forEach(({ mark }) => mark(state.month));
  }

  // files to keep

  function save(name, type, text) {
    const address = URL.createObjectURL(new Blob([text], { type }));
    html("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }
  at("save-figure").addEventListener("click", () => {
    const { other } = shown[0];
    const dashed = other ? `; dashed: ${title(other.summary)}` : "";
    const width = Number(shown[0].picture.getAttribute("width"));
    const height = shown.length * HEIGHT + 38;
    const whole = svg(
      "svg",
      { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, "font-family": FONT },
      svg("rect", { width, height, fill: "#ffffff" }),
      shown.map(({ picture }, place) => {
        const copy = picture.cloneNode(true);
        copy.setAttribute("y", place * HEIGHT);
        copy.querySelector(".marker").remove();
        copy.querySelector(".answer").remove();
        return copy;
      }),
      [
        source(shown[0].one),
        `Line: mean of the pixels with a value, of decibels as decibels; area: ± one standard deviation${dashed}.`,
      ].map((words, place) =>
        svg(
          "text",
          { x: width - EDGE.right, y: height - 8 - 12 * place, "text-anchor": "end", "font-size": 9, fill: "#37434e" },
          words,
        ),
      ),
    );
    save(`${state.cube}_bands.svg`, "image/svg+xml", new XMLSerializer().serializeToString(whole));
  });
  at("save-table").addEventListener("click", () => {
    const { one } = shown[0];
    const lines = [
      ["tile", "direction", "month", "band", "units", "mean", "std", "minimum", "maximum", "valid_pixels"].join(","),
    ];
    const direction = one.summary.name.slice(one.summary.tile.length + 1);
    for (const { band } of shown) {
      for (const value of valuesOf(one, band).filter(Boolean)) {
        lines.push(
          [
            one.summary.tile,
            direction,
            monthText(value.month),
            band.name,
            band.units,
            value.mean,
            value.std,
            value.low,
            value.high,
            value.valid,
          ].join(","),
        );
      }
    }
    save(`${state.cube}_bands.csv`, "text/csv", `${lines.join("\n")}\n`);
  });

  async function refresh(cube) {
    const turn = (drawing += 1);
    const other = state.compare && state.otherCube !== cube.name ? s1monthly.cube(state.otherCube) : null;
    const [one, two] = await Promise.all(
      [cube, other].map((wanted) => (wanted && wanted.first ? s1monthly.load(wanted.name) : null)),
    );
    if (turn !== drawing) return;
    if (one) draw(one, two);
    else
      put(
        "charts",
        html(
          "p",
          { class: "notice" },
          cube.first
            ? "The data of this tile are not there; build the report again."
            : "No month was searched or made yet.",
        ),
      );
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
