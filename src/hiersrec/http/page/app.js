// The page: the session is in the address (#session=ID&session=ID), and every change of it asks for new answers.

import { KeyWanted, ask, keepKey } from "./api.js";
import { drawGuesses, drawItems, drawSession, rangeOf } from "./draw.js";
import { makeSearch } from "./search.js";
import { fallbackOf, notesOf, scoredOf, titleOf } from "./words.js";

const K = 20;
const TOP = 3; // best categories of each level, unless the model's own default names a number
const CALM = 120; // milliseconds that the slider must rest

const at = (id) => document.getElementById(id);
const titles = new Map(); // id as text -> title
let model = null;
let number = 0; // of the latest refresh; older answers are dropped

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

function remove(place) {
  setSession(sessionOf().filter((_, other) => other !== place));
  const buttons = at("session").querySelectorAll("button");
  (buttons[Math.min(place, buttons.length - 1)] ?? at("search")).focus();
}

function fail(error) {
  const wanted = error instanceof KeyWanted;
  if (wanted) at("key-form").hidden = false;
  at("error").textContent = error.message;
  at("error").hidden = error.message === "";
  if (wanted) at("key").focus();
}

// Draws the session: before the answer with what is known here, after it with what the model makes of it.
function drawChips(ids, answer = null) {
  const passed = new Set(answer === null ? [] : answer.unknown_ids.map(String));
  const old = ids.filter((id) => !passed.has(id)).length - model.max_length;
  let known = 0;
  const seen = ids.map((id) => {
    if (!passed.has(id)) known += 1;
    return { title: titles.get(id) ?? id, counts: !passed.has(id) && known > old };
  });
  const place = [...at("session").querySelectorAll("button")].indexOf(document.activeElement);
  drawSession(at("session"), seen, remove);
  if (place >= 0) at("session").querySelectorAll("button")[place]?.focus();
  at("empty").hidden = ids.length > 0;
  at("clear").hidden = ids.length === 0;
}

async function refresh() {
  if (model === null) return start(); // the server could not say before; it may now
  const mine = (number += 1);
  const ids = sessionOf();
  const top = Number(at("top").value);
  drawChips(ids);
  at("results").setAttribute("aria-busy", "true");
  try {
    // One after the other, so that neither time holds the wait for the other.
    const all = await rank(ids, { policy: "all" });
    if (mine !== number) return;
    const few = hasCategories() ? await rank(ids, { policy: "category", top }) : null;
    if (mine !== number) return;
    at("error").hidden = true;
    at("key-form").hidden = true;
    draw(ids, all, few);
  } catch (error) {
    if (mine === number) fail(error);
  } finally {
    if (mine === number) at("results").removeAttribute("aria-busy");
  }
}

// The list with its reasons, and the time of the ranking alone: that of the same question without reasons.
async function rank(session, candidates) {
  const wish = { session, k: K, candidates };
  const told = await ask("/v1/recommend", { ...wish, explain: model.explains });
  const { milliseconds } = await ask("/v1/recommend", { ...wish, explain: false });
  return { ...told, milliseconds };
}

const hasCategories = () => model.tasks.some((task) => task.startsWith("category_"));

const idsOf = (answer) => new Set(answer.items.map((item) => String(item.item_id)));

function draw(ids, all, few) {
  for (const one of [...all.session, ...all.items]) titles.set(String(one.item_id), titleOf(one));
  drawChips(ids, all);
  at("notes").replaceChildren(
    ...notesOf(all, ids.length, model.max_length).map((note) => {
      const line = document.createElement("li");
      line.textContent = note;
      return line;
    }),
  );
  at("guesses").hidden = all.guesses.length === 0;
  drawGuesses(at("levels"), all.guesses);

  const range = rangeOf([...all.items, ...(few?.items ?? [])]);
  const known = all.session.length > 0;
  at("all-title").textContent = known ? "Full ranking" : "Popular items";
  at("all-scored").textContent = known ? scoredOf(all) : "";
  const both = few !== null && known;
  at("compare").hidden = at("few").hidden = !both;
  drawItems(at("all-items"), all.items, both ? idsOf(few) : null, range, add);
  if (both) {
    drawItems(at("few-items"), few.items, idsOf(all), range, add);
    at("few-scored").textContent = scoredOf(few) + fallbackOf(few);
    const kept = all.items.filter((item) => idsOf(few).has(String(item.item_id))).length;
    at("same").textContent = `${kept} of ${all.items.length} the same`;
  }
  const first = all.items.length > 0 ? ` First recommendation: ${titleOf(all.items[0])}.` : "";
  const same = both ? ` ${at("same").textContent} with candidates only.` : "";
  at("status").textContent = `${ids.length} in the session.${first}${same}`;
}

function describe() {
  at("top").value = model.candidates?.top ?? TOP;
  at("top-value").textContent = at("top").value;
  const facts = [model.recipe, model.dataset].filter(Boolean).join(" on ");
  const version = model.model_version === null ? "" : ` · model ${model.model_version}`;
  at("model").textContent = `${facts} · ${model.catalog_size.toLocaleString("en")} items${version}`;
}

async function start() {
  try {
    model = await ask("/v1/model");
  } catch (error) {
    return fail(error);
  }
  describe();
  await refresh();
}

makeSearch(at("search"), at("found"), add, fail);
at("clear").addEventListener("click", () => {
  setSession([]);
  at("search").focus();
});
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(at("key").value);
  at("key").value = "";
  start();
});
let rest = 0;
at("top").addEventListener("input", () => {
  at("top-value").textContent = at("top").value;
  clearTimeout(rest);
  rest = setTimeout(refresh, CALM);
});
addEventListener("popstate", refresh);
start();
