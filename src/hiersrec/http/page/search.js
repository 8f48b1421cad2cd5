// The search field: a combobox with a list below it (WAI-ARIA, list autocomplete with manual selection).

import { ask } from "./api.js";

const WAIT = 150; // milliseconds without a key before the server is asked
const LIMIT = 20;

// choose(id, title) is called with what was picked, failed(error) where the server could not say.
export function makeSearch(field, list, choose, failed) {
  let number = 0; // of the latest question; older answers are dropped
  let timer = 0;
  let active = -1;

  function close() {
    number += 1;
    clearTimeout(timer);
    active = -1;
    list.hidden = true;
    list.replaceChildren();
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }

  function mark(at) {
    const options = [...list.children];
    active = options.length === 0 ? -1 : (at + options.length) % options.length;
    options.forEach((option, place) => option.setAttribute("aria-selected", String(place === active)));
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

  function option(at, id, title, below) {
    const line = document.createElement("li");
    line.id = `found-${at}`;
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

  function show(items, words) {
    const lines = items.map((item, at) => {
      const path = item.category_path.filter((name) => name !== null).join(" / ");
      return option(at, item.item_id, item.title ?? String(item.item_id), path || "no category");
    });
    if (lines.length === 0) lines.push(option(0, words, words, "No title has these words. Take it as an item's id"));
    list.replaceChildren(...lines);
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
    mark(items.length === 0 ? -1 : 0);
  }

  async function look() {
    const words = field.value.trim();
    if (words === "") return close();
    const mine = (number += 1);
    try {
      const found = await ask(`/v1/items?${new URLSearchParams({ query: words, limit: LIMIT })}`);
      if (mine === number) show(found.items, words);
    } catch (error) {
      if (mine === number) failed(error);
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
      event.preventDefault(); // or the browser would also empty the field
      close();
    }
  });
  field.addEventListener("blur", close);
}
