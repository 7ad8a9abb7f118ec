// The calendar: a row for each tile and direction, a cell for each month.
"use strict";

s1monthly.calendar = (index) => {
  const { html, put, at, first, last, title, monthText, cell, sentence, show, state, KINDS } = s1monthly;
  const months = Array.from({ length: last - first + 1 }, (_, place) => first + place);
  const dated = index.tiles.some((cube) => cube.first);

  function head() {
    const years = [...new Set(months.map((month) => Math.floor(month / 12)))];
    const spans = years.map((year) => months.filter((month) => Math.floor(month / 12) === year).length);
    return html(
      "thead",
      { "aria-hidden": "true" },
      html(
        "tr",
        {},
        html("td"),
        years.map((year, place) =>
          html(
            "td",
            { colspan: spans[place], class: "year" },
            html("span", {}, spans[place] > 2 || months.length < 45 ? String(year).padStart(4, "0") : ""),
          ),
        ),
      ),
      html(
        "tr",
        {},
        html("td"),
        months.map((month) =>
          html(
            "td",
            { class: month % 12 ? "" : "january" },
            [0, 3, 6, 9].includes(month % 12) ? "JAJO"[(month % 12) / 3] : "",
          ),
        ),
      ),
    );
  }
  function row(cube) {
    const cells = months.map((month) => {
      const found = cell(cube, month);
      const css = [
        found ? found.css : "outside",
        found && found.fewer ? "fewer" : "",
        found && found.remark ? "remark" : "",
        month % 12 ? "" : "january",
      ];
      return html(
        "td",
        {
          role: "gridcell",
          tabindex: -1,
          class: css.filter(Boolean).join(" "),
          "data-state": found ? found.kind : null,
          "aria-label": sentence(cube, month),
        },
        found ? found.glyph : "",
      );
    });
    return html(
      "tr",
      { role: "row", "data-cube": cube.name },
      html("th", { role: "rowheader", scope: "row" }, title(cube)),
      cells,
    );
  }

  const body = html("tbody", {}, index.tiles.map(row));
  const rows = new Map([...body.rows].map((one) => [one.dataset.cube, one]));
  put(
    "calendar",
    dated
      ? html(
          "table",
          { role: "grid", class: "calendar", "aria-label": "Months of every tile and direction" },
          head(),
          body,
        )
      : html("p", { class: "notice" }, "No month was searched or made yet."),
  );

  const place = (target) => {
    const one = target.closest("td");
    if (!one || !body.contains(one)) return null;
    return { cube: s1monthly.cube(one.parentNode.dataset.cube), month: first + one.cellIndex - 1, one };
  };
  function tell({ cube, month }) {
    const found = cell(cube, month);
    put("readout", html("strong", {}, sentence(cube, month)), found && found.reason ? `: ${found.reason}` : "");
  }
  let reached = null; // the only cell that the tabulator key reaches
  function reach(one) {
    if (reached) reached.tabIndex = -1;
    reached = one;
    one.tabIndex = 0;
  }
  body.addEventListener("mouseover", (event) => {
    const found = place(event.target);
    if (found) tell(found);
  });
  body.addEventListener("focusin", (event) => {
    const found = place(event.target);
    if (found) {
      reach(found.one);
      tell(found);
    }
  });
  body.addEventListener("click", (event) => {
    const found = place(event.target);
    if (found) show({ cube: found.cube.name, month: found.month });
  });
  body.addEventListener("keydown", (event) => {
    const found = place(event.target);
    if (!found) return;
    const { one } = found;
    const line = one.parentNode;
    const above = (other) => other && other.cells[one.cellIndex];
    const next = {
      ArrowLeft: () => (one.cellIndex > 1 ? one.previousElementSibling : null),
      ArrowRight: () => one.nextElementSibling,
      ArrowUp: () => above(line.previousElementSibling),
      ArrowDown: () => above(line.nextElementSibling),
      Home: () => line.cells[1],
      End: () => line.cells[line.cells.length - 1],
    }[event.key];
    if (next) {
      const target = next();
      if (target) target.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      show({ cube: found.cube.name, month: found.month });
    } else return;
    event.preventDefault();
  });

  // all months fit into the width as far as they can still be told apart, or met by a finger
  function fit() {
    const [box, table] = [at("calendar"), at("calendar").firstChild];
    const room = box.clientWidth - body.rows[0].cells[0].offsetWidth - 2;
    const least = matchMedia("(pointer: coarse), (max-width: 760px)").matches ? 20 : 7;
    table.style.setProperty("--cell", `${Math.min(24, Math.max(least, Math.floor(room / months.length) - 1))}px`);
  }
  if (dated) new ResizeObserver(fit).observe(at("calendar"));

  const swatch = (css, glyph, text) => html("span", {}, html("i", { class: `swatch ${css}` }, glyph), text);
  const kinds = new Set(index.tiles.flatMap((cube) => [...cube.kinds].map((kind) => index.kinds[Number(kind)])));
  put(
    "calendar-legend",
    html(
      "span",
      {},
      "share of the tile with a value: ",
      [1, 2, 3, 4, 5].map((step) => html("i", { class: `swatch share${step}` })),
      "20, 40 … 100 %",
    ),
    swatch("share0", "0", "made, without a value"),
    Object.entries(KINDS)
      .filter(([kind]) => kind !== "present" && kinds.has(kind))
      .map(([kind, [glyph, text]]) => swatch(kind.replaceAll(" ", "-"), glyph, text)),
    swatch("share4 fewer", "", "granules are missing"),
    swatch("share4 remark", "", "with a remark"),
  );

  let marked = null;
  return (cube) => {
    if (!dated) return;
    const line = rows.get(cube.name);
    for (const other of rows.values()) other.classList.toggle("chosen", other === line);
    const one = line.cells[state.month - first + 1];
    if (marked) marked.removeAttribute("aria-selected");
    marked = one;
    one.setAttribute("aria-selected", "true");
    if (!body.contains(document.activeElement)) reach(one);
    const box = at("calendar");
    const [left, width] = [one.offsetLeft - rows.get(cube.name).cells[0].offsetWidth, one.offsetWidth];
    const visible = box.clientWidth - rows.get(cube.name).cells[0].offsetWidth;
    if (left < box.scrollLeft || left + width > box.scrollLeft + visible) box.scrollLeft = left - visible / 2;
  };
};
