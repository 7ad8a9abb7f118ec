// The maps: the outlines of all tiles in longitude and latitude, a map for each direction or track.
"use strict";

s1monthly.map = (index) => {
  const { html, svg, put, at, title, cell, show, state, percent, monthText } = s1monthly;
  const EDGE = { left: 46, right: 26, top: 20, bottom: 26 };
  const MODES = { months: "months present", month: "the month", previews: "previews of the month" };

  // turn the globe so that no tile lies across the edge of the map: it is cut in the middle of the widest gap
  const centre = (ring) => ring.reduce((sum, [lon]) => sum + lon, 0) / ring.length;
  const turn = (lon) => ((lon % 360) + 360) % 360;
  const centres = index.tiles.map((cube) => turn(centre(cube.outline))).sort((a, b) => a - b);
  let [widest, cut] = [
    360 + centres[0] - centres[centres.length - 1],
    (centres[centres.length - 1] + centres[0] + 360) / 2,
  ];
  centres.forEach((lon, place) => {
    const gap = place ? lon - centres[place - 1] : 0;
    if (gap > widest) [widest, cut] = [gap, lon - gap / 2];
  });
  const ringOf = (cube) => {
    const shift = cut + turn(centre(cube.outline) - cut) - centre(cube.outline);
    return cube.outline.map(([lon, lat]) => [lon + shift, lat]);
  };
  const rings = new Map(index.tiles.map((cube) => [cube.name, ringOf(cube)]));
  const all = [...rings.values()].flat();
  const ends = (place) => [
    Math.min(...all.map((point) => point[place])),
    Math.max(...all.map((point) => point[place])),
  ];
  let [[west, east], [south, north]] = [ends(0), ends(1)];
  const margin = 0.06 * Math.max(east - west, north - south);
  [west, east, south, north] = [
    west - margin,
    east + margin,
    Math.max(-90, south - margin),
    Math.min(90, north + margin),
  ];
  const stretch = Math.cos((((south + north) / 2) * Math.PI) / 180); // of a degree of longitude

  const step = (span) => [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60].find((one) => span / one <= 5) || 90;
  const ticks = (low, high, one) => {
    const found = [];
    for (let value = Math.ceil(low / one); value * one <= high; value += 1) found.push(value * one);
    return found;
  };
  const degrees = (value, digits, [plus, minus]) => {
    const text = Math.abs(value).toFixed(digits);
    return `${text}°${Number(text) % 180 === 0 ? "" : value < 0 ? minus : plus}`;
  };

  const groups = new Map();
  for (const cube of index.tiles) {
    const name = `${cube.direction.toLowerCase()}${cube.track ? ` T${String(cube.track).padStart(3, "0")}` : ""}`;
    groups.set(name, [...(groups.get(name) || []), cube]);
  }
  const drawn = new Map(); // name of a cube -> its elements
  const pictures = [];

  // maps fill their width: one alone is wide, several stand beside each other
  const WIDTH = at("maps").clientWidth < 600 ? 380 : groups.size > 1 ? 520 : 1100;
  const left = EDGE.left;
  const width = WIDTH - EDGE.left - EDGE.right;
  const scale = Math.min(width / ((east - west) * stretch), 400 / (north - south));
  const height = (north - south) * scale;
  const more = Math.min(360, width / scale / stretch) - (east - west);
  [west, east] = [west - more / 2, east + more / 2];

  function draw([name, cubes]) {
    const x = (lon) => left + (lon - west) * stretch * scale;
    const y = (lat) => EDGE.top + (north - lat) * scale;
    const grid = svg("g", { class: "graticule" });
    const oneLon = step((east - west) * Math.min(1, 520 / WIDTH)),
      oneLat = step(north - south);
    for (const lon of ticks(west, east, oneLon)) {
      const shown = turn(lon + 180) - 180;
      grid.append(
        svg("line", { x1: x(lon), x2: x(lon), y1: EDGE.top, y2: EDGE.top + height }),
        svg(
          "text",
          { x: x(lon), y: EDGE.top + height + 16, "text-anchor": "middle" },
          degrees(shown, oneLon < 1 ? 1 : 0, ["E", "W"]),
        ),
      );
    }
    for (const lat of ticks(south, north, oneLat)) {
      grid.append(
        svg("line", { x1: left, x2: left + width, y1: y(lat), y2: y(lat) }),
        svg("text", { x: left - 6, y: y(lat) + 4, "text-anchor": "end" }, degrees(lat, oneLat < 1 ? 1 : 0, ["N", "S"])),
      );
    }
    const zones = svg("g", { class: "zones" });
    if (east - west < 50) {
      for (const lon of ticks(west, east, 6)) {
        const zone = Math.floor(turn(lon + 180) / 6) + 1;
        zones.append(
          svg("line", { x1: x(lon), x2: x(lon), y1: EDGE.top, y2: EDGE.top + height }),
          svg(
            "text",
            { x: x(lon), y: EDGE.top - 6, "text-anchor": "middle" },
            `zone ${((zone + 58) % 60) + 1} | ${zone}`,
          ),
        );
      }
    }
    const tiles = svg("g");
    const labels = svg("g", { class: "labels" });
    for (const cube of cubes) {
      const ring = rings.get(cube.name).map(([lon, lat]) => [x(lon), y(lat)]);
      const path = svg(
        "path",
        { d: `M${ring.map(([a, b]) => `${a.toFixed(2)},${b.toFixed(2)}`).join("L")}Z`, class: "tile" },
        svg("title", {}, ""),
      );
      const quarter = ring.length / 4;
      const [upperLeft, upperRight, , lowerLeft] = [0, 1, 2, 3].map((corner) => ring[corner * quarter]);
      const place = [
        upperRight[0] - upperLeft[0],
        upperRight[1] - upperLeft[1],
        lowerLeft[0] - upperLeft[0],
        lowerLeft[1] - upperLeft[1],
        ...upperLeft,
      ];
      const image = svg("image", {
        width: 1,
        height: 1,
        preserveAspectRatio: "none",
        transform: `matrix(${place.map((one) => one.toFixed(4)).join(" ")})`,
        visibility: "hidden",
      });
      const group = svg("g", { class: "place", onclick: () => show({ cube: cube.name }) }, image, path);
      tiles.append(group);
      pictures.push([cube, image]);
      const size = Math.hypot(place[0], place[1]);
      const middle = [0, 1].map((axis) => ring.reduce((sum, point) => sum + point[axis], 0) / ring.length);
      if (size < 5) tiles.append(svg("circle", { cx: middle[0], cy: middle[1], r: 3.5, class: "dot" }));
      const text =
        size > 44 ? svg("text", { x: middle[0], y: middle[1] + 4, "text-anchor": "middle" }, cube.tile) : null;
      if (text) labels.append(text);
      drawn.set(cube.name, { path, text, group, group_of: tiles });
    }
    const picture = svg(
      "svg",
      {
        viewBox: `0 0 ${WIDTH} ${EDGE.top + height + EDGE.bottom}`,
        role: "img",
        "aria-label": `Map of ${cubes.length} tiles, ${name}`,
      },
      grid,
      svg("rect", { x: left, y: EDGE.top, width, height, class: "frame" }),
      tiles,
      zones,
      labels,
    );
    return html(
      "figure",
      { class: groups.size > 1 ? "map" : "map wide" },
      picture,
      html("figcaption", {}, html("strong", {}, name), ` ${cubes.length} ${cubes.length === 1 ? "tile" : "tiles"}`),
    );
  }
  put("maps", [...groups].sort(([one], [other]) => (one < other ? -1 : 1)).map(draw));

  const choose = (mode) => () => show({ mode });
  at("map-mode").append(
    ...Object.entries(MODES).map(([mode, text]) =>
      html(
        "label",
        {},
        html("input", {
          type: "radio",
          name: "mode",
          value: mode,
          checked: mode === state.mode,
          onchange: choose(mode),
        }),
        ` ${text}`,
      ),
    ),
  );
  const LEGENDS = {
    months: [
      html(
        "span",
        {},
        "months present of those expected: ",
        [1, 2, 3, 4, 5].map((one) => html("i", { class: `swatch share${one}` })),
        "20, 40 … 100 %",
      ),
    ],
    month: [html("span", {}, "as in the calendar below")],
    previews: [html("span", {}, "previews of the month, in the colours below; outlines: no preview")],
  };

  return (cube, changes) => {
    for (const [other, image] of pictures) {
      const found = state.mode === "previews" ? cell(other, state.month) : null;
      if (found && found.preview) image.setAttribute("href", s1monthly.previewOf(other, state.month));
      image.setAttribute("visibility", found && found.preview ? "visible" : "hidden");
      image.style.filter = state.channel < 0 ? "" : `url(#channel-${state.channel})`;
    }
    for (const [name, { path, text, group, group_of: parent }] of drawn) {
      const other = s1monthly.cube(name);
      const found = cell(other, state.month);
      const share = other.expected ? other.present / other.expected : 0;
      const css = {
        months: other.expected ? `share${Math.ceil(5 * share - 1e-9)}` : "outside",
        month: found ? found.css : "outside",
        previews: found && found.preview ? "pictured" : "bare",
      }[state.mode];
      path.setAttribute("class", `tile ${css}${name === state.cube ? " chosen" : ""}`);
      if (text)
        text.setAttribute("class", /share[45]|failed/.test(css) ? "light" : css === "pictured" ? "light halo" : "");
      path.firstChild.textContent =
        state.mode === "months"
          ? `${title(other)}: ${other.present} of ${other.expected} months present${other.expected ? ` (${percent(share)})` : ""}`
          : s1monthly.sentence(other, state.month);
      if (name === state.cube) parent.append(group);
    }
    if (changes.mode || !at("map-legend").firstChild) put("map-legend", LEGENDS[state.mode]);
  };
};
