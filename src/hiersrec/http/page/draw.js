// Answers -> elements. Titles and names are set as text only, never as HTML.

import {
  capital, endingOf, hueOf, isShared, pathOf, percent, popularityOf, signed, sourceOf, titleOf,
} from "./words.js";

const PULLS = 3; // categories, and other parts than the session itself, named with an item

const copyOf = (name) => document.getElementById(`${name}-template`).content.firstElementChild.cloneNode(true);

function element(tag, text = "", className = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  node.className = className;
  return node;
}

// seen: [{title, counts}], oldest first; remove(index) is called with an index of it.
export function drawSession(list, seen, remove) {
  list.replaceChildren(
    ...seen.map(({ title, counts }, index) => {
      const chip = copyOf("chip");
      chip.firstElementChild.textContent = title;
      chip.classList.toggle("ignored", !counts);
      const button = chip.querySelector("button");
      button.setAttribute("aria-label", `Remove ${title}`);
      button.addEventListener("click", () => remove(index));
      return chip;
    }),
  );
}

// The likeliest classes as blocks {source, guesses}, where a guess has a label: one per task, or for the levels of a
// coherent tree together, likeliest first, a parent before its children; what ends in it is there once, as a leaf.
export function blocksOf({ guesses, coherent }) {
  const tasks = guesses.filter((task) => task.length > 0);
  const isLevel = (task) => task[0].task.startsWith("category_");
  const levels = tasks.filter(isLevel);
  if (levels.length < 2 || !coherent) {
    return tasks.map((task) => ({
      source: task[0].task,
      guesses: task.map((guess) => ({ ...guess, label: guess.name })),
    }));
  }
  const leaves = new Map([...levels].reverse().flat().map((guess) => [endingOf(guess.path), guess]));
  const tree = [...leaves].map(([label, guess]) => ({ ...guess, label }));
  const rounded = ({ probability }) => Math.round(probability * 1e6);
  tree.sort((a, b) => rounded(b) - rounded(a) || a.path.length - b.path.length);
  const others = blocksOf({ guesses: tasks.filter((task) => !isLevel(task)), coherent });
  return [{ source: "category", guesses: tree }, ...others];
}

// Whether to say that the levels may contradict one another.
export const areIndependent = ({ guesses, coherent }) =>
  !coherent && guesses.filter((task) => task[0]?.task.startsWith("category_")).length > 1;

// Rows are reused, so that their bars are animated.
export function drawGuesses(list, tasks) {
  while (list.children.length > tasks.length) list.lastElementChild.remove();
  tasks.forEach(({ source, guesses }, index) => {
    if (index === list.children.length) {
      const block = element("div", "", "level");
      block.append(element("h3"), element("ul", "", "legend"), element("ol"));
      list.append(block);
    }
    const [heading, legend, rows] = list.children[index].children;
    heading.textContent = sourceOf(source);
    const levels = guesses.map((guess) => guess.task);
    const several = new Set(levels).size > 1;
    fillLegend(legend, several ? levels : []);
    legend.setAttribute("aria-label", "Colours of the bars");
    rows.setAttribute("aria-label", `Likeliest: ${sourceOf(source)}`);
    while (rows.children.length > guesses.length) rows.lastElementChild.remove();
    while (rows.children.length < guesses.length) rows.append(copyOf("guess"));
    guesses.forEach((guess, row) => drawGuess(rows.children[row], guess));
  });
}

function drawGuess(row, guess) {
  row.dataset.hue = hueOf(guess.task);
  row.querySelector(".name").textContent = guess.label;
  row.querySelector(".name").title = endingOf(guess.path);
  row.querySelector(".percent").textContent = percent(guess.probability);
  const bar = row.querySelector(".bar");
  bar.getBoundingClientRect(); // start the animation of a new bar at zero
  bar.style.width = percent(guess.probability);
}

// The names of sources by their colour, in the order of the colours.
function fillLegend(list, sources) {
  const names = [...new Set(sources)].sort();
  const hues = [...new Set(names.map(hueOf))].sort((a, b) => a - b);
  list.replaceChildren(
    ...hues.map((hue) => {
      const line = element("li", names.filter((name) => hueOf(name) === hue).map(sourceOf).join(", "));
      line.dataset.hue = hue;
      return line;
    }),
  );
}

// Returns whether there are colours to explain.
export function drawLegend(list, items) {
  fillLegend(list, rankedOf(items).flatMap((item) => distinct(item.reasons ?? []).map(({ source }) => source)));
  return list.children.length > 0;
}

// add(id, title) is called on a click. The focus stays on the same row.
export function drawItems(list, items, add) {
  const rows = [...list.children];
  const focused = document.activeElement.closest(".title, summary");
  const index = rows.findIndex((row) => row.contains(focused));
  const open = new Set(rows.filter((row) => row.querySelector("details[open]")).map((row) => row.dataset.id));
  const range = rangeOf(items);
  list.replaceChildren(...items.map((item) => itemRow(item, range, open, add)));
  if (index < 0) return;
  const row = list.children[Math.min(index, items.length - 1)];
  row?.querySelector(focused.matches("summary") ? "summary" : ".title")?.focus();
}

function itemRow(item, range, open, add) {
  const row = copyOf("item");
  const id = String(item.item_id);
  row.dataset.id = id;
  row.querySelector(".rank").textContent = item.rank;
  row.querySelector(".path").textContent = pathOf(item.category_path);
  const title = row.querySelector(".title");
  title.textContent = titleOf(item);
  title.title = "Add to the session";
  title.addEventListener("click", () => add(id, titleOf(item)));
  const ranked = item.source === "session";
  row.querySelector(ranked ? ".score" : ".mark").textContent = ranked ? item.score.toFixed(2) : popularityOf(item);
  const why = row.querySelector(".why");
  if (ranked && item.reasons !== null) drawReasons(why, item.reasons, range, open.has(id));
  else why.remove();
  return row;
}

// A list to compare: ranks and titles. others: the ids in the other list.
export function drawRanks(list, items, others) {
  list.replaceChildren(
    ...items.map((item) => {
      const row = copyOf("rank");
      row.querySelector(".rank").textContent = item.rank;
      row.querySelector(".name").textContent = titleOf(item);
      const both = others.has(String(item.item_id));
      const mark = row.querySelector(".mark");
      if (item.source !== "session") mark.textContent = popularityOf(item);
      else mark.textContent = both ? "in both" : "only here";
      mark.classList.toggle("only", !both);
      return row;
    }),
  );
}

const rankedOf = (items) => items.filter((item) => item.source === "session");

// What a bar shows: the parts that tell items apart.
const distinct = (reasons) => reasons.filter(({ source, value }) => value !== 0 && !isShared(source));

// Largest sums of negative and of positive score parts over all items: the scale of the stacked bars.
function rangeOf(items) {
  const parts = rankedOf(items).map(({ reasons }) => distinct(reasons ?? []));
  const sums = (sign) => parts.map((part) => part.reduce((sum, { value }) => sum + Math.max(0, sign * value), 0));
  return { low: Math.max(0, ...sums(-1)), high: Math.max(0, ...sums(1)) };
}

function drawReasons(why, reasons, range, open) {
  const parts = reasons.filter((reason) => reason.value !== 0);
  const shown = distinct(reasons);
  drawParts(why.querySelector(".parts"), shown, range);
  const pulls = parts.flatMap(({ strongest, source }) => strongest.map((pull) => ({ ...pull, source })));
  const whole = shown.filter(({ source, strongest }) => source !== "session" && strongest.length === 0);
  pulls.push(...whole.map(({ source, value }) => ({ name: sourceOf(source), value, source })));
  pulls.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const named = pulls.filter(({ value }) => Math.abs(value) >= 0.005).slice(0, PULLS).map((pull) => {
    const part = element("span", `${pull.name} ${signed(pull.value)}`, "pull");
    part.dataset.hue = hueOf(pull.source);
    return part;
  });
  why.querySelector(".pulls").append(...(named.length > 0 ? named : ["The parts of this score"]));
  why.open = open;
  why.querySelector("tbody").replaceChildren(...parts.map(reasonLine));
}

// A stacked bar: positive parts to the right of zero, negative ones to its left.
function drawParts(bar, reasons, { low, high }) {
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
  const source = element("th", capital(sourceOf(reason.source)));
  source.scope = "row";
  if (!isShared(reason.source)) source.dataset.hue = hueOf(reason.source);
  line.append(source, element("td", signed(reason.value)), element("td", through.join(", ")));
  return line;
}
