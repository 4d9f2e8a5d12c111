// The radar: one polygon for each chosen model, 0 in the middle and 10 at the rim.
const RADAR_MODELS = 6;

function drawRadar(data, chosen) {
  const place = $("radar");
  const count = data.categories.length;
  const at = (index, value) => {
    const angle = (2 * Math.PI * index) / count - Math.PI / 2;
    return [Math.cos(angle) * value * 15, Math.sin(angle) * value * 15];
  };
  const points = (values) => values.map((value, index) => at(index, value ?? 0).map((x) => x.toFixed(1)).join(",")).join(" ");
  const means = chosen.map((m) => `${data.models[m]}: ${data.categories.map((name, index) =>
    `${categoryName(name)} ${data.radar[m][index]?.toFixed(2) ?? "–"}`).join(", ")}`);
  const picture = svg("svg", { viewBox: "-235 -180 470 360", role: "img", "aria-label": `${t("radar")}. ${means.join(". ")}` });
  for (const ring of [2, 4, 6, 8, 10]) {
    picture.append(svg("polygon", { class: "ring", points: points(data.categories.map(() => ring)) }));
    picture.append(svg("text", { class: "tick", x: 4, y: -ring * 15 + 3 }, String(ring)));
  }
  data.categories.forEach((name, index) => {
    const [x, y] = at(index, 10), [left, top] = at(index, 11);
    picture.append(svg("line", { class: "spoke", x1: 0, y1: 0, x2: x, y2: y }));
    const anchor = Math.abs(left) < 20 ? "middle" : left > 0 ? "start" : "end";
    picture.append(svg("text", { x: left, y: top + 4, "text-anchor": anchor }, categoryName(name)));
  });
  chosen.forEach((m, place) => picture.append(svg("polygon", { class: `series s${place}`, points: points(data.radar[m]) })));
  place.replaceChildren(picture);
}

/** The list of models to choose from, and the radar of those that are. */
function radarWithChoice(data) {
  const ranked = Object.keys(data.radar).map(Number); // the best first
  const chosen = ranked.slice(0, 3);
  const list = $("radar-models");
  const boxes = ranked.map((m) => {
    const box = h("input", { type: "checkbox", value: m });
    const key = svg("svg", { viewBox: "0 0 30 10", "aria-hidden": "true" });
    key.append(svg("line", { class: "series", x1: 0, x2: 30, y1: 5, y2: 5, "stroke-width": 3 }));
    list.append(h("label", {}, box, key, data.models[m]));
    box.addEventListener("change", () => {
      if (box.checked) chosen.push(m); else chosen.splice(chosen.indexOf(m), 1);
      draw();
    });
    return { m, box, key };
  });
  function draw() {
    for (const { m, box, key } of boxes) {
      const place = chosen.indexOf(m);
      box.checked = place >= 0;
      box.disabled = place < 0 && chosen.length >= RADAR_MODELS;
      key.setAttribute("class", place < 0 ? "hidden" : `s${place}`);
    }
    drawRadar(data, chosen);
  }
  draw();
  return draw;
}
