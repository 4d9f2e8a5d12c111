// Small helpers: elements, words in the page's language, numbers.
const $ = (id) => document.getElementById(id);
const STRINGS = JSON.parse($("strings").textContent);
const root = document.documentElement;

/** An element; `content` is text, an element, or a list of them, and text stays text. */
function h(tag, attributes = {}, ...content) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...content.flat().filter((part) => part != null && part !== false));
  return element;
}

const svg = (tag, attributes = {}, text = "") => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
};

/** HTML that was sanitized when the page was written. */
function prose(html) {
  const element = h("div", { class: "prose" });
  element.innerHTML = html;
  for (const wide of element.querySelectorAll("pre, table")) wide.tabIndex = 0; // they may scroll sideways
  return element;
}

/** The words for `key` in the page's language, with {name} replaced. */
function t(key, values = {}) {
  const words = STRINGS[key]?.[root.lang] ?? key;
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

const categoryName = (name) => (STRINGS[`category_${name}`] ? t(`category_${name}`) : name);
const scoreText = (score) => (Number.isInteger(score) ? String(score) : score.toFixed(1));
const numberText = (number) => number.toLocaleString(root.lang);

/** What stays in this browser, where it lets pages keep anything. */
const memory = {
  get(name) { try { return localStorage.getItem(`mtbench-ko-${name}`); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(`mtbench-ko-${name}`, value); } catch { /* not kept */ } },
};

/** The JSON that is packed in the page. */
async function unpack() {
  const bytes = Uint8Array.from(atob($("data").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}
