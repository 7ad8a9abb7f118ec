// The previews: a slider of months with play, and two pictures beside each other.
"use strict";

s1monthly.pictures = (index) => {
  const { html, put, at, first, last, title, monthText, percent, cell, sentence, show, state, link } = s1monthly;
  const WAIT = 700; // milliseconds of a month while playing
  const CHANNELS = [
    ["red", ...index.stretches[0]],
    ["green", ...index.stretches[1]],
    ["blue", ...index.stretches[2]],
  ];

  s1monthly.previewOf = (cube, month) => cube.preview.replace("{month}", monthText(month));

  const option = (value, text) => html("option", { value }, text);
  const options = () => index.tiles.map((cube) => option(cube.name, title(cube)));
  at("cube").append(...options());
  at("other-cube").append(...options());
  at("cube").addEventListener("change", (event) => show({ cube: event.target.value }));
  at("other-cube").addEventListener("change", (event) => show({ otherCube: event.target.value }));

  const slider = at("slider");
  slider.min = first;
  slider.max = last;
  slider.addEventListener("input", () => show({ month: Number(slider.value) }));
  const move = (by) => show({ month: Math.min(last, Math.max(first, state.month + by)) });
  at("before").addEventListener("click", () => move(-1));
  at("after").addEventListener("click", () => move(1));

  // play shows the months that have a preview, from the one after this, and begins again at the end

  let timer = null;
  const has = (cube, month) => (cell(cube, month) || {}).preview;
  function next(cube, month) {
    for (let step = 1; step <= last - first + 1; step += 1) {
      const one = first + ((month - first + step) % (last - first + 1));
      if (has(cube, one)) return one;
    }
    return month;
  }
  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => show({ month: next(s1monthly.cube(state.cube), state.month) }), WAIT) : null;
    at("play").setAttribute("aria-pressed", String(on));
    at("play-text").textContent = on ? "Pause" : "Play";
  }
  at("play").addEventListener("click", () => play(timer === null));

  at("channel").append(
    ...[[-1, "colours"], ...CHANNELS.map(([, band], place) => [place, band])].map(([value, text]) =>
      html(
        "label",
        {},
        html("input", {
          type: "radio",
          name: "channel",
          value,
          checked: value === state.channel,
          onchange: () => show({ channel: value }),
        }),
        ` ${text}`,
      ),
    ),
  );

  at("compare").addEventListener("change", (event) => {
    const cube = s1monthly.cube(state.cube);
    const sibling = index.tiles.find((other) => other.tile === cube.tile && other !== cube && has(other, state.month));
    show({ compare: event.target.checked, otherCube: state.otherCube || (sibling || cube).name });
  });
  at("other-month").append(
    option("", "as on the left"),
    ...Array.from({ length: last - first + 1 }, (_, place) => option(first + place, monthText(first + place))),
  );
  at("other-month").addEventListener("change", (event) =>
    show({ otherMonth: event.target.value === "" ? null : Number(event.target.value) }),
  );

  function picture(id, cube, month) {
    const found = cell(cube, month);
    const caption = html(
      "figcaption",
      {},
      html("strong", {}, `${title(cube)}, ${monthText(month)}`),
      found && found.share !== null ? ` ${percent(found.share)} of the tile` : "",
    );
    if (found && found.preview) {
      const image =
        at(id).querySelector("img") || html("img", { onerror: (event) => event.target.classList.add("lost") });
      const src = s1monthly.previewOf(cube, month);
      if (image.getAttribute("src") !== src) image.src = src;
      image.className = "";
      image.alt = `Preview of ${sentence(cube, month)}`;
      image.style.filter = state.channel < 0 ? "" : `url(#channel-${state.channel})`;
      put(id, image, caption);
      new Image().src = s1monthly.previewOf(cube, next(cube, month)); // so that playing does not flicker
      return;
    }
    const why = !found
      ? "outside the months of this tile"
      : found.kind === "present"
        ? "no preview was written"
        : found.kind;
    put(
      id,
      html(
        "div",
        { class: "blank" },
        html("p", {}, html("strong", {}, why)),
        found && found.reason ? html("p", {}, found.reason) : null,
      ),
      caption,
    );
  }

  function legend() {
    const end = (value) => String(value).replace("-", "−");
    const ends = ([, band, low, high, unit]) => `${band} ${end(low)} to ${end(high)}${unit ? ` ${unit}` : ""}`;
    if (state.channel < 0) {
      put(
        "picture-legend",
        CHANNELS.map((channel) => html("span", {}, html("i", { class: `swatch ${channel[0]}` }), ends(channel))),
        html("span", {}, "the same in all months and tiles"),
      );
    } else {
      const [, band, low, high, unit] = CHANNELS[state.channel];
      put(
        "picture-legend",
        html(
          "span",
          {},
          `${band}: ${end(low)}${unit ? ` ${unit}` : ""} `,
          html("i", { class: "ramp" }),
          ` ${end(high)}${unit ? ` ${unit}` : ""}`,
        ),
      );
    }
  }

  function facts(cube) {
    const found = cell(cube, state.month);
    put("facts");
    if (!found) return;
    s1monthly.load(cube.name).then((one) => {
      if (!one || state.cube !== cube.name || state.compare) return;
      const month = one.months[state.month - s1monthly.ordinal(cube.first)];
      if (!month) return;
      const rows = [["state", found.kind + (found.reason ? `: ${found.reason}` : "")]];
      if (month.pixels) {
        rows.push(["with a value", `${percent(month.pixels[0] / month.pixels[1])} of the tile`]);
        rows.push([
          "passes",
          month.granules === null ? "not known" : `${month.passes.length}, ${month.granules} granules`,
        ]);
        if (month.count[1] !== null)
          rows.push(["passes a pixel", `${month.count[0]} to ${month.count[2]}, mean ${month.count[1].toFixed(2)}`]);
        if (month.passes.length)
          rows.push(["first", month.passes[0][2].slice(0, 10)], ["last", month.passes.at(-1)[2].slice(0, 10)]);
        rows.push(["grid", `${cube.crs}, ${cube.pixel}`]);
      }
      put(
        "facts",
        html(
          "dl",
          { class: "facts" },
          rows.map(([name, value]) => [html("dt", {}, name), html("dd", {}, value)]),
        ),
        html("ul", { class: "links" }, Object.values(month.files).map(link)),
      );
    });
  }

  return (cube, changes) => {
    at("cube").value = cube.name;
    slider.value = state.month;
    slider.setAttribute("aria-valuetext", monthText(state.month));
    put("month", monthText(state.month));
    picture("left", cube, state.month);
    at("compare").checked = state.compare;
    at("other").hidden = !state.compare;
    at("facts").hidden = state.compare;
    if (state.compare) {
      const other = s1monthly.cube(state.otherCube);
      at("other-cube").value = other.name;
      at("other-month").value = state.otherMonth === null ? "" : state.otherMonth;
      picture("right", other, state.otherMonth === null ? state.month : state.otherMonth);
    } else facts(cube);
    if (changes.channel !== undefined || !at("picture-legend").firstChild) legend();
  };
};
