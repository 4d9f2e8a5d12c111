// What is shown is what the address says after #, so that every view can be shared: q (question), a and b (models),
// m (the model shown while a is open), cat, flag, min, max, s (search).
const FIELDS = ["q", "a", "m", "b", "cat", "flag", "min", "max", "s"];
const state = Object.fromEntries(FIELDS.map((name) => [name, ""]));

const addressOf = (values) =>
  "#" + new URLSearchParams(FIELDS.filter((name) => values[name]).map((name) => [name, values[name]]));

/** Take the state from the address; false where it names a section of the page, or nothing. */
function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!FIELDS.some((name) => given.has(name))) return false;
  for (const name of FIELDS) state[name] = given.get(name) ?? "";
  return true;
}

function writeAddress() {
  const address = addressOf(state);
  if (address !== location.hash) history.replaceState(null, "", address);
}
