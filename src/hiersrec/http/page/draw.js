// Answers -> elements. Titles and names are data, so they go in as text only.

import { hueOf, pathOf, percent, popularityOf, signed, sourceOf, titleOf } from "./words.js";

const PULLS = 3; // categories named below an item

const copyOf = (name) => document.getElementById(`${name}-template`).content.firstElementChild.cloneNode(true);

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

// seen: [{id, title, counts}], oldest first; remove(at) is called with a place.
export function drawSession(list, seen, remove) {
  list.replaceChildren(
    ...seen.map(({ title, counts }, at) => {
      const chip = copyOf("chip");
      chip.firstElementChild.textContent = title;
      chip.classList.toggle("passed", !counts);
      const button = chip.querySelector("button");
      button.setAttribute("aria-label", `Remove ${title}`);
      button.addEventListener("click", () => remove(at));
      return chip;
    }),
  );
}

// One block for each level. Rows are kept from answer to answer, so that their bars move.
export function drawGuesses(place, tasks) {
  while (place.children.length > tasks.length) place.lastElementChild.remove();
  tasks.forEach((guesses, at) => {
    if (at === place.children.length) {
      const block = element("div", "", "level");
      block.append(element("h3"), element("ol"));
      place.append(block);
    }
    const [heading, rows] = place.children[at].children;
    const task = guesses[0]?.task ?? "";
    place.children[at].dataset.hue = hueOf(task);
    heading.textContent = sourceOf(task);
    rows.setAttribute("aria-label", `Likeliest at ${sourceOf(task)}`);
    while (rows.children.length > guesses.length) rows.lastElementChild.remove();
    while (rows.children.length < guesses.length) rows.append(copyOf("guess"));
    guesses.forEach((guess, row) => drawGuess(rows.children[row], guess));
  });
}

function drawGuess(row, guess) {
  row.querySelector(".name").textContent = guess.name;
  row.querySelector(".name").title = pathOf(guess.path);
  row.querySelector(".percent").textContent = percent(guess.probability);
  const bar = row.querySelector(".bar");
  bar.getBoundingClientRect(); // a new bar grows from nothing
  bar.style.width = percent(guess.probability);
}

// others: Set of the ids in the other list, or null if there is none; add(id, title) is called with what was clicked.
// The button that had the focus, or the one now at its place, has it afterwards.
export function drawItems(list, items, others, range, add) {
  const focused = [...list.children].findIndex((row) => row.querySelector(".title") === document.activeElement);
  const open = new Set([...list.querySelectorAll("details[open]")].map((one) => one.closest("li").dataset.id));
  list.replaceChildren(...items.map((item) => itemRow(item, others, range, open, add)));
  if (focused >= 0) list.children[Math.min(focused, items.length - 1)]?.querySelector(".title").focus();
}

function itemRow(item, others, range, open, add) {
  const row = copyOf("item");
  const id = String(item.item_id);
  row.dataset.id = id;
  row.querySelector(".rank").textContent = item.rank;
  row.querySelector(".path").textContent = pathOf(item.category_path);
  const title = row.querySelector(".title");
  title.textContent = titleOf(item);
  title.title = "Add to the session";
  title.addEventListener("click", () => add(id, titleOf(item)));
  drawMark(row, item, others);
  const pull = row.querySelector(".pull");
  const ranked = item.source === "session";
  if (ranked) row.querySelector(".score").textContent = item.score.toFixed(2);
  if (ranked && item.reasons !== null) drawReasons(pull, item.reasons, range, open.has(id));
  else pull.remove();
  return row;
}

function drawMark(row, item, others) {
  const mark = row.querySelector(".mark");
  if (item.source !== "session") {
    mark.textContent = popularityOf(item);
  } else if (others !== null) {
    const both = others.has(String(item.item_id));
    mark.textContent = both ? "in both" : "only here";
    mark.classList.toggle("only", !both);
  }
}

// What the parts of a score add and take in all, over all items: the ends of one scale for every stacked bar.
export function rangeOf(items) {
  const ranked = items.filter((item) => item.source === "session");
  const sums = (sign) =>
    ranked.map(({ reasons }) => (reasons ?? []).reduce((sum, one) => sum + Math.max(0, sign * one.value), 0));
  return { low: Math.max(0, ...sums(-1)), high: Math.max(0, ...sums(1)) };
}

function drawReasons(place, reasons, range, open) {
  const told = reasons.filter((reason) => reason.value !== 0);
  drawAddends(place.querySelector(".addends"), told, range);
  const pulls = told.flatMap((reason) => reason.strongest.map((one) => ({ ...one, source: reason.source })));
  pulls.sort((one, other) => Math.abs(other.value) - Math.abs(one.value));
  place.querySelector(".pulls").replaceChildren(
    ...pulls.slice(0, PULLS).map((pull) => {
      const line = element("li", `${pull.name} ${signed(pull.value)}`);
      line.dataset.hue = hueOf(pull.source);
      return line;
    }),
  );
  if (pulls.length === 0) place.querySelector(".pulls").remove();
  place.querySelector("details").open = open;
  place.querySelector("tbody").replaceChildren(...told.map(reasonLine));
}

// A stacked bar: what adds to the right of zero, what takes to its left.
function drawAddends(bar, reasons, { low, high }) {
  const scale = 100 / (low + high || 1);
  let left = low;
  let right = low;
  for (const reason of reasons) {
    const part = element("span");
    const width = Math.abs(reason.value);
    if (reason.value < 0) left -= width;
    part.style.left = `${(reason.value < 0 ? left : right) * scale}%`;
    part.style.width = `${width * scale}%`;
    if (reason.value > 0) right += width;
    part.dataset.hue = hueOf(reason.source);
    part.title = `${sourceOf(reason.source)} ${signed(reason.value)}`;
    bar.append(part);
  }
  if (low > 0) {
    const zero = element("span", "", "zero");
    zero.style.left = `${low * scale}%`;
    bar.append(zero);
  }
}

function reasonLine(reason) {
  const line = element("tr");
  const through = reason.strongest.map((pull) => `${pull.name} ${signed(pull.value)} (${percent(pull.probability)})`);
  if (through.length > 0 && Math.abs(reason.rest) >= 0.005) through.push(`all others ${signed(reason.rest)}`);
  const source = element("th", sourceOf(reason.source));
  source.scope = "row";
  line.append(source, element("td", signed(reason.value)), element("td", through.join(", ")));
  return line;
}
