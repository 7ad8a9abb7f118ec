// The state of the page and what all its parts share. Texts of the tree are set as text, never as HTML.
"use strict";

const s1monthly = (() => {
  const state = {
    cube: null,
    month: 0,
    compare: false,
    otherCube: null,
    otherMonth: null,
    channel: -1,
    mode: "months",
  };
  const details = new Map(); // name of a cube -> its details, or the promise of them
  const waiting = new Map();
  const parts = []; // functions that draw what changed
  let cubes = new Map();
  let index = null;

  // elements

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
    }
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
    return element;
  }
  const html = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
  const svg = (name, attributes, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
  const at = (id) => document.getElementById(id);
  const put = (id, ...children) => at(id).replaceChildren(...children.flat(Infinity).filter((child) => child !== null));

  // months are counted from year 0, so that they can be added

  const ordinal = (text) => 12 * Number(text.slice(0, 4)) + Number(text.slice(5, 7)) - 1;
  const monthText = (month) =>
    `${String(Math.floor(month / 12)).padStart(4, "0")}-${String((month % 12) + 1).padStart(2, "0")}`;

  // numbers and names

  const percent = (share) => {
    if (share > 0 && share < 0.001) return "< 0.1 %";
    return share < 1 && share > 0.999 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`;
  };
  const bytes = (size) => {
    if (size === null) return "";
    const power = Math.min(4, Math.floor(Math.log10(Math.max(size, 1)) / 3));
    return `${(size / 1000 ** power).toFixed(power ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
  };
  const title = (cube) =>
    `${cube.tile} ${cube.direction.toLowerCase()}${cube.track ? ` T${String(cube.track).padStart(3, "0")}` : ""}`;
  const link = ([text, href, size]) =>
    html(
      "li",
      {},
      html("a", { href }, text),
      size === null ? null : html("span", { class: "muted" }, ` ${bytes(size)}`),
    );

  // what a cell of the calendar says of a month

  const KINDS = {
    present: ["", "complete"],
    "not made": ["–", "not made"],
    failed: ["×", "failed"],
    "not catalogued": ["○", "made, not in the catalog"],
    "no source data": ["·", "no data"],
    "no usable granule": ["!", "no usable granule"],
    "not searched yet": ["?", "not searched"],
  };
  function cell(cube, month) {
    const place = cube.first ? month - ordinal(cube.first) : -1;
    if (place < 0 || place >= cube.kinds.length) return null;
    const kind = index.kinds[Number(cube.kinds[place])];
    const share = cube.coverage[place];
    return {
      place,
      kind,
      share,
      fewer: cube.fewer.includes(place),
      remark: cube.remarks.includes(place),
      preview: cube.previews[place] === "1",
      reason: (Object.entries(cube.reasons).find(([, places]) => places.includes(place)) || [""])[0],
      glyph: kind === "present" && share === 0 ? "0" : KINDS[kind][0],
      // five classes of the share of the tile that has a value
      css:
        kind === "present"
          ? `share${share === null || share === 0 ? 0 : Math.ceil(5 * share - 1e-9)}`
          : kind.replaceAll(" ", "-"),
    };
  }
  function sentence(cube, month) {
    const found = cell(cube, month);
    if (!found) return `${title(cube)}, ${monthText(month)}: outside its months`;
    const words = [found.kind];
    if (found.share !== null) words.push(`${percent(found.share)} of the tile`);
    if (found.fewer) words.push("made of fewer granules than there are");
    if (found.remark) words.push("with a remark");
    return `${title(cube)}, ${monthText(month)}: ${words.join(", ")}`;
  }

  // data

  function load(name) {
    if (!details.has(name)) {
      details.set(
        name,
        new Promise((done) => {
          waiting.set(name, done);
          const script = html("script", { src: `data/${name}.js`, onerror: () => done(null) });
          document.head.append(script);
        }),
      );
    }
    return details.get(name);
  }
  function tile(summary, found) {
    const done = waiting.get(summary.name);
    if (done) done({ summary, ...found });
  }

  // changes

  function show(changes) {
    Object.assign(state, changes);
    const cube = cubes.get(state.cube);
    if (changes.cube !== undefined || changes.month !== undefined) {
      const hash = `#${state.cube}/${monthText(state.month)}`;
      if (location.hash !== hash) location.replace(hash);
    }
    for (const part of parts) part(cube, changes);
  }
  function fromHash() {
    const [name, month] = location.hash.slice(1).split("/");
    if (!cubes.has(name) || !/^\d{4}-\d{2}$/.test(month || "")) return false;
    const wanted = Math.min(Math.max(ordinal(month), api.first), api.last);
    if (name !== state.cube || wanted !== state.month) show({ cube: name, month: wanted });
    return true;
  }

  function start(found) {
    index = api.data = found;
    cubes = new Map(found.tiles.map((cube) => [cube.name, cube]));
    const dated = found.tiles.filter((cube) => cube.first);
    api.first = dated.length ? Math.min(...dated.map((cube) => ordinal(cube.first))) : 0;
    api.last = dated.length ? Math.max(...dated.map((cube) => ordinal(cube.first) + cube.kinds.length - 1)) : 0;
    document.title = `${found.tree}: Sentinel-1 monthly composites`;
    put("tree", found.tree);
    put("built", `As of ${found.built.slice(0, 10)} ${found.built.slice(11, 16)} UTC`);
    put("footer", `Built by s1monthly ${found.version} from the files of the output tree. Links lead to these files.`);
    if (!found.tiles.length) {
      at("nothing").hidden = false;
      put("nothing", "There is no tile in this output tree yet.");
      return;
    }
    const present = found.tiles.reduce((sum, cube) => sum + cube.present, 0);
    const expected = found.tiles.reduce((sum, cube) => sum + cube.expected, 0);
    const figure = (name, value) => html("div", {}, html("dt", {}, name), html("dd", {}, value));
    put(
      "figures",
      figure("tiles", String(new Set(found.tiles.map((cube) => cube.tile)).size)),
      figure("tiles and directions", String(found.tiles.length)),
      figure("months", dated.length ? `${monthText(api.first)} to ${monthText(api.last)}` : "none"),
      figure("months present", `${present} of ${expected}`),
      figure("complete", expected ? percent(present / expected) : "–"),
    );
    at("bar").hidden = at("main").hidden = false;
    for (const name of ["map", "calendar", "pictures", "charts", "month"]) parts.push(api[name](found));
    if (!fromHash()) {
      const cube = found.tiles.find((one) => one.previews.includes("1")) || dated[0] || found.tiles[0];
      const newest = Math.max(cube.previews.lastIndexOf("1"), 0);
      show({ cube: cube.name, month: cube.first ? ordinal(cube.first) + newest : api.first });
    }
    window.addEventListener("hashchange", fromHash);
  }

  const api = {
    state,
    html,
    svg,
    at,
    put,
    ordinal,
    monthText,
    percent,
    bytes,
    title,
    link,
    cell,
    sentence,
    load,
    tile,
    show,
    KINDS,
    cube: (name) => cubes.get(name),
    index: start,
  };
  return api;
})();
