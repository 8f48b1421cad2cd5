// The page: the session is in the address (#session=ID&session=ID); each change of it sends new requests.

import { KeyRequired, ask, keepKey } from "./api.js";
import { areIndependent, blocksOf, drawGuesses, drawItems, drawLegend, drawRanks, drawSession } from "./draw.js";
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
  drawChips(ids);
  byId("results").setAttribute("aria-busy", "true");
  try {
    const best = await rank(ids, { policy: "all" }, model.explains);
    if (current !== latest) return;
    byId("error").hidden = true;
    byId("key-form").hidden = true;
    draw(ids, best);
    const same = isComparing() ? await compare(ids, current) : "";
    if (current === latest) tell(ids, best, same);
  } catch (error) {
    if (current === latest) fail(error);
  } finally {
    if (current === latest) byId("results").removeAttribute("aria-busy");
  }
}

const rank = (session, candidates, explain) => ask("v1/recommend", { session, k: K, candidates, explain });

const hasCategories = () => model.tasks.some((task) => task.startsWith("category_"));

const isComparing = () => byId("compare").open && !byId("compare").hidden;

function draw(ids, best) {
  for (const item of [...best.session, ...best.items]) titles.set(String(item.item_id), titleOf(item));
  drawChips(ids, best);
  byId("notes").replaceChildren(
    ...notesOf(best, ids.length, model.max_length).map((note) => {
      const line = document.createElement("li");
      line.textContent = note;
      return line;
    }),
  );
  byId("guesses").hidden = best.guesses.length === 0;
  byId("independent").hidden = best.session.length === 0 || !areIndependent(best);
  drawGuesses(byId("levels"), blocksOf(best));

  const known = best.session.length > 0;
  byId("list-title").textContent = known ? "Recommended items" : "Popular items";
  byId("colours").hidden = !drawLegend(byId("legend"), best.items);
  drawItems(byId("items"), best.items, add);
  byId("more").textContent = `Show all ${best.items.length} items`;
  byId("compare").hidden = !(hasCategories() && known);
}

// Fills the comparison, and returns how much is the same. Both lists come without reasons, one after the other, so that
// their times are those of ranking and neither includes waiting for the other.
async function compare(ids, current) {
  const all = await rank(ids, { policy: "all" }, false);
  if (current !== latest) return "";
  const few = await rank(ids, { policy: "category", top: Number(byId("top").value) }, false);
  if (current !== latest) return "";
  const [allIds, fewIds] = [all, few].map(({ items }) => new Set(items.map((item) => String(item.item_id))));
  drawRanks(byId("all-items"), all.items, fewIds);
  drawRanks(byId("few-items"), few.items, allIds);
  byId("all-scored").textContent = scoredOf(all);
  byId("few-scored").textContent = scoredOf(few) + fallbackOf(few);
  const kept = [...allIds].filter((id) => fewIds.has(id)).length;
  byId("same").textContent = `${kept} of ${all.items.length} the same`;
  return ` ${byId("same").textContent} with candidates only.`;
}

// What a screen reader says after a change.
function tell(ids, best, same) {
  const first = best.items.length > 0 ? ` First item: ${titleOf(best.items[0])}.` : "";
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
byId("more").addEventListener("click", () => {
  const shown = [...byId("items").children].filter((row) => row.offsetParent !== null).length;
  byId("items").classList.remove("short");
  byId("items").children[shown]?.querySelector(".title").focus();
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
byId("compare").addEventListener("toggle", () => {
  if (isComparing()) refresh();
});
addEventListener("popstate", refresh);
start();
