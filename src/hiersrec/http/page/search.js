// The search field: a combobox with a list below it (WAI-ARIA, list autocomplete with manual selection).

import { ask } from "./api.js";
import { pathOf, titleOf } from "./words.js";

const WAIT = 150; // milliseconds without a keystroke before a request
const LIMIT = 20;

// The item of an id, in a list, empty if there is none: a list of only this item, as /v1/items/ID answers what is no id
// with an error, which the browser would write to its console at each keystroke.
async function withId(id) {
  const { items } = await ask("v1/recommend", { session: [], k: 1, allow: [id] });
  return items;
}

// choose(id, title) is called with the chosen item, failed(error) if a request fails.
export function makeSearch(field, list, choose, failed) {
  let latest = 0; // number of the latest request; older answers are dropped
  let timer = 0;
  let active = -1;

  function close() {
    latest += 1;
    clearTimeout(timer);
    active = -1;
    list.hidden = true;
    list.replaceChildren();
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }

  function mark(index) {
    const options = [...list.children];
    active = options.length === 0 ? -1 : (index + options.length) % options.length;
    options.forEach((option, number) => option.setAttribute("aria-selected", String(number === active)));
    if (active < 0) return;
    field.setAttribute("aria-activedescendant", options[active].id);
    options[active].scrollIntoView({ block: "nearest" });
  }

  function take(option) {
    const { id, title } = option.dataset;
    field.value = "";
    close();
    choose(id, title);
  }

  function option(index, id, title, below) {
    const line = document.createElement("li");
    line.id = `match-${index}`;
    line.role = "option";
    line.dataset.id = id;
    line.dataset.title = title;
    line.setAttribute("aria-selected", "false");
    for (const text of [title, below]) {
      const part = document.createElement("span");
      part.textContent = text;
      line.append(part);
    }
    line.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
    line.addEventListener("click", () => take(line));
    return line;
  }

  function show(items, id, words) {
    const lines = items.map((item, index) => {
      const title = titleOf(item); // its id where it has none, which is said once
      const isFoundById = item.item_id === id && title !== String(id);
      return option(index, item.item_id, title, isFoundById ? `item id ${id}` : pathOf(item.category_path));
    });
    if (lines.length === 0) lines.push(option(0, words, words, "No title or id matches. Use it as an item id"));
    list.replaceChildren(...lines);
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
    mark(items.length === 0 ? -1 : 0);
  }

  async function look() {
    const words = field.value.trim();
    if (words === "") return close();
    const current = (latest += 1);
    try {
      const found = ask(`v1/items?${new URLSearchParams({ query: words, limit: LIMIT })}`);
      const [{ items }, same] = await Promise.all([found, withId(words)]);
      const others = items.filter((item) => item.item_id !== same[0]?.item_id);
      if (current === latest) show([...same, ...others], same[0]?.item_id, words);
    } catch (error) {
      if (current === latest) failed(error);
    }
  }

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, WAIT);
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) look();
      else mark(event.key === "ArrowDown" ? active + 1 : Math.max(active, 0) - 1);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (list.hidden) look();
      else if (active >= 0) take(list.children[active]);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault(); // else the browser would also clear the field
      close();
    }
  });
  field.addEventListener("blur", close);
}
