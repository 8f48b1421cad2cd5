// The page: the session is in the address (#session=ID&session=ID); each change of it sends new requests.

import { KeyRequired, ask, keepKey } from "./api.js";
import { areIndependent, blocksOf, drawGuesses, drawItems, drawSession, rangeOf } from "./draw.js";
import { makeSearch } from "./search.js";
import { fallbackOf, notesOf, scoredOf, titleOf } from "./words.js";

const K = 20;
const TOP = 3; // best categories per level, unless the model has a default of its own
const DELAY = 120; // milliseconds without a move of the slider before a request

const byId = (id) => document.getElementById(id);
const titles = new Map(); // id as text -> title
let model = null;
let latest = 0; // number of the latest refresh; older answers are dropped

const sessionOf = () => new URLSearchParams(location.hash.slice(1)).getAll("session");

function setSession(ids) {
  const hash = new URLSearchParams(ids.map((id) => ["session", id])).toString();
  history.pushState(null, "", hash === "" ? location.pathname : `#${hash}`);
  refresh();
}

function add(id, title) {
  titles.set(id, title);
  setSession([...sessionOf(), id]);
}

function remove(index) {
  setSession(sessionOf().filter((_, other) => other !== index));
  const buttons = byId("session").querySelectorAll("button");
  (buttons[Math.min(index, buttons.length - 1)] ?? byId("search")).focus();
}

function fail(error) {
  const needsKey = error instanceof KeyRequired;
  if (needsKey) byId("key-form").hidden = false;
  byId("error").textContent = error.message;
  byId("error").hidden = error.message === "";
  if (needsKey) byId("key").focus();
}

// Draws the session: before the answer with known titles, after it also with the items that the model ignores.
function drawChips(ids, answer = null) {
  const unknown = new Set(answer === null ? [] : answer.unknown_ids.map(String));
  const ignored = ids.filter((id) => !unknown.has(id)).length - model.max_length;
  let known = 0;
  const seen = ids.map((id) => {
    if (!unknown.has(id)) known += 1;
    return { title: titles.get(id) ?? id, counts: !unknown.has(id) && known > ignored };
  });
  const focused = [...byId("session").querySelectorAll("button")].indexOf(document.activeElement);
  drawSession(byId("session"), seen, remove);
  if (focused >= 0) byId("session").querySelectorAll("button")[focused]?.focus();
  byId("empty").hidden = ids.length > 0;
  byId("clear").hidden = ids.length === 0;
}

async function refresh() {
  if (model === null) return start(); // the facts of the model could not be loaded before
  const current = (latest += 1);
  const ids = sessionOf();
  const top = Number(byId("top").value);
  drawChips(ids);
  byId("results").setAttribute("aria-busy", "true");
  try {
    // One after the other, so that neither time includes waiting for the other.
    const all = await rank(ids, { policy: "all" });
    if (current !== latest) return;
    const few = hasCategories() ? await rank(ids, { policy: "category", top }) : null;
    if (current !== latest) return;
    byId("error").hidden = true;
    byId("key-form").hidden = true;
    draw(ids, all, few);
  } catch (error) {
    if (current === latest) fail(error);
  } finally {
    if (current === latest) byId("results").removeAttribute("aria-busy");
  }
}

// The list with its reasons, and the time of only the ranking, from the same request without reasons.
async function rank(session, candidates) {
  const body = { session, k: K, candidates };
  const answer = await ask("v1/recommend", { ...body, explain: model.explains });
  const { milliseconds } = await ask("v1/recommend", { ...body, explain: false });
  return { ...answer, milliseconds };
}

const hasCategories = () => model.tasks.some((task) => task.startsWith("category_"));

const idsOf = (answer) => new Set(answer.items.map((item) => String(item.item_id)));

function draw(ids, all, few) {
  for (const item of [...all.session, ...all.items]) titles.set(String(item.item_id), titleOf(item));
  drawChips(ids, all);
  byId("notes").replaceChildren(
    ...notesOf(all, ids.length, model.max_length).map((note) => {
      const line = document.createElement("li");
      line.textContent = note;
      return line;
    }),
  );
  byId("guesses").hidden = all.guesses.length === 0;
  byId("independent").hidden = all.session.length === 0 || !areIndependent(all);
  drawGuesses(byId("levels"), blocksOf(all));

  const range = rangeOf([...all.items, ...(few?.items ?? [])]);
  const known = all.session.length > 0;
  byId("all-title").textContent = known ? "Full ranking" : "Popular items";
  byId("all-scored").textContent = known ? scoredOf(all) : "";
  const both = few !== null && known;
  byId("compare").hidden = byId("few").hidden = !both;
  drawItems(byId("all-items"), all.items, both ? idsOf(few) : null, range, add);
  if (both) {
    drawItems(byId("few-items"), few.items, idsOf(all), range, add);
    byId("few-scored").textContent = scoredOf(few) + fallbackOf(few);
    const kept = all.items.filter((item) => idsOf(few).has(String(item.item_id))).length;
    byId("same").textContent = `${kept} of ${all.items.length} the same`;
  }
  const first = all.items.length > 0 ? ` First recommendation: ${titleOf(all.items[0])}.` : "";
  const same = both ? ` ${byId("same").textContent} with candidates only.` : "";
  byId("status").textContent = `${ids.length} in the session.${first}${same}`;
}

function describe() {
  byId("top").value = model.candidates?.top ?? TOP;
  byId("top-value").textContent = byId("top").value;
  const facts = [model.recipe, model.dataset].filter(Boolean).join(" on ");
  const version = model.model_version === null ? "" : ` · model ${model.model_version}`;
  byId("model").textContent = `${facts} · ${model.catalog_size.toLocaleString("en")} items${version}`;
}

async function start() {
  try {
    model = await ask("v1/model");
  } catch (error) {
    return fail(error);
  }
  describe();
  await refresh();
}

makeSearch(byId("search"), byId("matches"), add, fail);
byId("clear").addEventListener("click", () => {
  setSession([]);
  byId("search").focus();
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(byId("key").value);
  byId("key").value = "";
  start();
});
let timer = 0;
byId("top").addEventListener("input", () => {
  byId("top-value").textContent = byId("top").value;
  clearTimeout(timer);
  timer = setTimeout(refresh, DELAY);
});
addEventListener("popstate", refresh);
start();
