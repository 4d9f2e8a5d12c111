// Putting it together: settings, filters, the list of what was found, and the question that is open.
const filters = $("filters");
let shown = []; // what the list holds, in order

function setLanguage(language) {
  root.lang = language;
  document.title = `${t("title")} · ${document.querySelector(".bench").textContent}`;
  filters.s.placeholder = t("search_hint");
}

function setTheme(theme) {
  const dark = theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = dark ? "dark" : "light";
}

function options(select, rows) {
  select.replaceChildren(...rows.map(([value, text]) => h("option", { value }, text)));
}

function fillFilters(data) {
  const models = data.models.map((name) => [name, name]);
  const scores = Array.from({ length: 10 }, (_, index) => [String(index + 1), String(index + 1)]);
  options(filters.a, [["", t("all_models")], ...models]);
  options(filters.b, [["", t("nobody")], ...models]);
  options(filters.cat, [["", t("all")], ...data.categories.map((name) => [name, categoryName(name)])]);
  options(filters.flag, [["", t("all")], ...data.flags.map((flag) => [flag, t(`flag_${flag}`)])]);
  options(filters.min, [["", "–"], ...scores]);
  options(filters.max, [["", "–"], ...scores]);
}

/** Show in the filters what the state says; a value that they do not offer is none. */
function setFilters() {
  for (const field of filters.elements) {
    if (!(field.name in state) || field.value === state[field.name]) continue;
    field.value = state[field.name];
    if (field.selectedIndex < 0) field.value = state[field.name] = "";
  }
}

function fillList(items) {
  const { found, total } = items.find(state);
  shown = found;
  $("found").textContent = found.length ? t("found", { count: numberText(found.length), total: numberText(total) }) : t("none_found");
  $("list").replaceChildren(...found.map(({ q, m }) => {
    const question = items.data.questions[q];
    const scores = items.scores(q, m).map(scoreText).join(" · ");
    return h("li", {}, h("a", { href: addressOf({ ...state, q: question.id, m: state.a ? "" : items.data.models[m] }) },
      h("span", { class: "top" },
        h("span", {}, `${question.id} · ${categoryName(question.category)}`), h("b", {}, scores)),
      !state.a && h("span", { class: "top" }, items.data.models[m]),
      h("span", { class: "text" }, question.summary)));
  }));
}

const isOpen = (data, { q, m }) =>
  String(data.questions[q].id) === state.q && (state.a || data.models[m] === state.m);

/** Open the question that the address names, or the first that was found. */
function openQuestion(items) {
  const { models, questions } = items.data;
  let q = questions.findIndex((question) => String(question.id) === state.q);
  let a = models.indexOf(state.a || state.m);
  if (q < 0) {
    if (!shown.length) return $("detail").replaceChildren(h("h3", { id: "detail-title", tabindex: -1 }, t("none_found")));
    ({ q } = shown[0]);
    if (a < 0) a = shown[0].m;
  }
  if (a < 0) a = models.findIndex((_, m) => items.of(q, m).length);
  const b = models.indexOf(state.b);
  const sides = [a, b].filter((m, place, all) => m >= 0 && all.indexOf(m) === place);
  showDetail(items, q, sides);
  showApart(items.data, sides);
  const place = shown.findIndex((item) => item.q === q && item.m === a);
  const rows = [...$("list").children];
  for (const row of rows) row.firstChild.removeAttribute("aria-current");
  rows[place]?.firstChild.setAttribute("aria-current", "true");
  if (rows[place]) $("list").scrollTop = rows[place].offsetTop - $("list").offsetTop - 80;
  $("detail").firstChild.append(buttons(items, q, a, place));
  highlight();
}

/** How far the two models side by side are apart, over all questions. */
function showApart(data, [a, b]) {
  const row = data.apart.find((pair) => (pair.a === a && pair.b === b) || (pair.a === b && pair.b === a));
  $("apart").hidden = !row;
  if (!row) return;
  const sign = row.a === a ? 1 : -1;
  const ends = (row.ci ?? [NaN, NaN]).map((end) => end * sign).sort((one, other) => one - other);
  const signed = (value) => (Number.isNaN(value) ? "–" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`);
  const words = t("apart", {
    a: data.models[a], b: data.models[b], d: signed(row.difference * sign), low: signed(ends[0]), high: signed(ends[1]), n: row.questions,
  });
  $("apart").textContent = `${words} ${t(row.resolved ? "resolved" : "unresolved")}`;
}

function buttons(items, q, a, place) {
  const step = (label, target) => {
    const link = target && $("list").children[shown.indexOf(target)].firstChild;
    const button = h("button", { type: "button", disabled: !target }, t(label));
    button.addEventListener("click", () => link.click());
    return button;
  };
  const share = h("button", { type: "button" }, t("link"));
  share.addEventListener("click", async () => {
    const link = addressOf({ q: String(items.data.questions[q].id), a: items.data.models[a], b: state.b });
    history.replaceState(null, "", link);
    readAddress();
    update(items);
    try {
      await navigator.clipboard.writeText(location.href);
      tell(t("copied"));
    } catch { tell(t("not_copied")); }
  });
  return h("div", { class: "buttons" }, step("previous", shown[place - 1]), step("next", shown[place + 1]), share);
}

function tell(words) {
  $("told").textContent = words;
  $("told").classList.remove("hidden");
  setTimeout(() => $("told").classList.add("hidden"), 4000);
}

/** Mark what was searched for, without touching the text itself. */
function highlight() {
  if (!globalThis.Highlight || !CSS.highlights) return;
  const ranges = [];
  const words = state.s.toLowerCase().split(/\s+/).filter(Boolean);
  const walker = document.createTreeWalker($("detail"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node && words.length; node = walker.nextNode()) {
    const text = node.data.toLowerCase();
    for (const word of words) {
      for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
        if (at + word.length <= node.length) ranges.push(new StaticRange({ startContainer: node, startOffset: at, endContainer: node, endOffset: at + word.length }));
      }
    }
  }
  CSS.highlights.set("search", new Highlight(...ranges));
}

function update(items) {
  setFilters();
  fillList(items);
  openQuestion(items);
}

function listen(items, redraw) {
  const startOver = () => Object.assign(state, Object.fromEntries(FIELDS.map((name) => [name, ""])), { a: items.data.models[0] });
  const change = () => {
    for (const field of filters.elements) if (field.name in state) state[field.name] = field.value;
    fillList(items);
    if (!shown.some((item) => isOpen(items.data, item))) state.q = state.m = ""; // what was open is not among them: open the first
    writeAddress();
    openQuestion(items);
  };
  let typing;
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("change", change);
  filters.s.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(change, 120);
  });
  filters.addEventListener("reset", (event) => {
    event.preventDefault();
    startOver();
    writeAddress();
    update(items);
  });
  addEventListener("hashchange", () => {
    if (!readAddress()) return;
    update(items);
    $("detail-title").focus();
  });
  for (const link of document.querySelectorAll("a[data-model]")) link.href = addressOf({ a: link.dataset.model });
  for (const radio of document.querySelectorAll("input[name=language]")) radio.addEventListener("change", () => redraw());
  if (!readAddress()) startOver();
}

async function start() {
  const language = memory.get("language") ?? (navigator.language.startsWith("ko") ? "ko" : "en");
  const choose = (name, value, act) => {
    for (const radio of document.querySelectorAll(`input[name=${name}]`)) {
      radio.checked = radio.value === value;
      radio.addEventListener("change", () => { memory.set(name, radio.value); act(radio.value); });
    }
    act(value);
  };
  choose("language", language, setLanguage);
  choose("theme", memory.get("theme") ?? "auto", setTheme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(memory.get("theme") ?? "auto"));
  let data;
  try {
    data = await unpack();
  } catch {
    $("found").textContent = $("detail-title").textContent = t("unreadable");
    return;
  }
  const items = new Items(data);
  const radar = $("radar") ? radarWithChoice(data) : () => {};
  const redraw = () => {
    fillFilters(data);
    radar();
    update(items);
  };
  listen(items, redraw);
  redraw();
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("#detail details:not([open])")];
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => { for (const part of opened) part.open = false; });
  root.dataset.ready = "";
}

start();
