// Numbers and names as text.

const whole = new Intl.NumberFormat("en");
const percents = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const percent = (share) => percents.format(share);

export const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

export const titleOf = (item) => item.title ?? String(item.item_id);

export const pathOf = (names) => names.filter((name) => name !== null).join(" / ") || "no category";

// The path of a likely category: from where it has no names the tree ends.
export function endingOf(path) {
  const known = path.findLastIndex((name) => name !== null) + 1;
  if (known === 0) return "no category";
  const names = path.slice(0, known).map((name) => name ?? "unknown").join(" / ");
  return known < path.length ? `${names} / ends here` : names;
}

// "category_1" is level 1, "category" all levels together, "column_brand" is brand.
export function sourceOf(source) {
  if (source.startsWith("category_")) return `level ${source.slice("category_".length)}`;
  return source.replace(/^column_/, "").replaceAll("_", " ");
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// The part that all items of a list share, which says nothing about one of them.
export const isShared = (source) => source === "average_item";

// The colour of a source, 0 to 5: the session, the levels in their order, all else.
export function hueOf(source) {
  if (source === "session") return 0;
  return source.startsWith("category_") ? Math.min(4, Number(source.slice("category_".length))) : 5;
}

export function scoredOf(answer) {
  const time = answer.milliseconds.toFixed(answer.milliseconds < 10 ? 1 : 0);
  const share = `${whole.format(answer.candidates)} of ${whole.format(answer.catalog_size)} items`;
  return `Scored ${share} in ${time} ms.`;
}

// A note if candidates were too few, else "".
export function fallbackOf(answer) {
  if (answer.fallback === null) return "";
  const which = answer.fallback === "popular_in_category" ? "popular items of the likely categories" : "popular items";
  return ` There are few, so ${which} fill the list.`;
}

// Notes on a session: unknown ids, items that are too old.
export function notesOf(answer, length, longest) {
  const notes = [];
  const unknown = answer.unknown_ids.map(String);
  if (unknown.length > 0) notes.push(`Ignored, not in the catalogue: ${unknown.join(", ")}.`);
  if (length - unknown.length > longest) notes.push(`The model uses the last ${longest} items.`);
  if (length > 0 && unknown.length === length) notes.push("No item of the session is known: these are popular items.");
  return notes;
}

// For an item that the model did not rank: its score is a count of training events.
export function popularityOf(item) {
  const where = item.source === "popular_in_category" ? "popular in its category" : "popular";
  return `${where}: ${whole.format(item.score)} training events`;
}
