// Where a month comes from, and the files of the tile and the tree.
"use strict";

s1monthly.month = (index) => {
  const { html, put, title, monthText, ordinal, link, state } = s1monthly;

  const table = (caption, heads, rows) =>
    html(
      "div",
      { class: "scroll" },
      html(
        "table",
        { class: "plain" },
        html("caption", {}, caption),
        html(
          "thead",
          {},
          html(
            "tr",
            {},
            heads.map((head) => html("th", { scope: "col" }, head)),
          ),
        ),
        html(
          "tbody",
          {},
          rows.map((row) =>
            html(
              "tr",
              {},
              row.map((value) => html("td", {}, value)),
            ),
          ),
        ),
      ),
    );
  const list = (items) =>
    html(
      "ul",
      {},
      items.map((one) => html("li", {}, one)),
    );
  const plain = (value) =>
    value === null ? "none" : typeof value === "object" ? JSON.stringify(value) : String(value);
  // nested values by their path, such as "composite method"
  const flat = (value, name = "") =>
    value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length
      ? Object.entries(value).flatMap(([key, one]) => flat(one, name ? `${name} · ${key}` : key))
      : [[name, plain(value)]];
  const folded = (text, ...children) => html("details", {}, html("summary", {}, text), ...children);
  const time = (text) => `${text.slice(0, 10)} ${text.slice(11, 19)}`;

  function provenance(one, month) {
    const shown = [];
    const facts = [
      ["month", `${title(one.summary)}, ${monthText(state.month)}`],
      ["state", one.kind + (month.reason ? `: ${month.reason}` : "")],
    ];
    if (month.pixels) {
      facts.push(["level", month.level], ["digest of the values (SHA-256)", html("code", {}, month.digest)]);
    }
    shown.push(
      html(
        "dl",
        { class: "facts" },
        facts.map(([name, value]) => [html("dt", {}, name), html("dd", {}, value)]),
      ),
    );
    const notes = [...month.remarks, ...(month.warnings || [])];
    if (notes.length) shown.push(html("h3", {}, "Remarks"), list(notes));
    const missing = Object.entries(month.missing);
    if (missing.length)
      shown.push(
        table(
          "Granules that are missing",
          ["granule", "why"],
          missing.map(([id, why]) => [html("code", {}, id), why || "not known"]),
        ),
      );
    if (month.passes && month.passes.length) {
      shown.push(
        table(
          "Passes (UTC)",
          ["track", "satellite", "start", "end", "granules"],
          month.passes.map(([track, platforms, start, end, bursts]) => [
            String(track),
            platforms.join(", "),
            time(start),
            time(end),
            String(bursts),
          ]),
        ),
      );
    } else if (month.pixels && month.granules === null)
      shown.push(html("p", {}, "Its granules are not known: the record was rebuilt from the cube."));
    const aside = (month.aside || []).filter(([id]) => !(id in month.missing));
    if (aside.length) {
      const rows = aside.map(([id, why]) => [html("code", {}, id), why]);
      shown.push(
        folded(
          `Granules that were not used (${aside.length})`,
          table("Granules that were not used", ["granule", "why"], rows),
        ),
      );
    }
    if (month.recipe !== undefined)
      shown.push(folded("Recipe", table("Recipe", ["option", "value"], flat(one.recipes[month.recipe]))));
    if (month.software !== undefined && month.software !== null) {
      shown.push(
        folded("Software", table("Software", ["package", "version"], Object.entries(one.software[month.software]))),
      );
    }
    if (month.files.record) {
      shown.push(
        html(
          "p",
          { class: "muted" },
          "The ",
          html("a", { href: month.files.record[1] }, "record"),
          " names every granule, with the checksums of its layers.",
        ),
      );
    }
    put("provenance", shown);
  }

  function files(one, month) {
    const group = (head, links) =>
      links.length ? html("div", {}, html("h3", {}, head), html("ul", { class: "links" }, links.map(link))) : null;
    put(
      "files",
      month ? group(`${title(one.summary)}, ${monthText(state.month)}`, Object.values(month.files)) : null,
      group(title(one.summary), one.links),
      group("The whole tree", index.links),
    );
  }

  return (cube) => {
    s1monthly.load(cube.name).then((one) => {
      if (state.cube !== cube.name) return;
      const place = cube.first ? state.month - ordinal(cube.first) : -1;
      const month = one ? one.months[place] : null;
      if (!one)
        put(
          "provenance",
          html("p", { class: "notice" }, "The data of this tile are not there; build the report again."),
        );
      else if (month) provenance({ ...one, kind: index.kinds[Number(cube.kinds[place])] }, month);
      else
        put(
          "provenance",
          html("p", { class: "notice" }, `${monthText(state.month)} is outside the months of ${title(cube)}.`),
        );
      if (one && one.troubles.length)
        document
          .getElementById("provenance")
          .prepend(html("div", { class: "notice" }, html("h3", {}, "To look at"), list(one.troubles)));
      files(one || { summary: cube, links: [] }, month);
    });
  };
};
