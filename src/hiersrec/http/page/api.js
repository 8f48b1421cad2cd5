// Requests to the service this page came from. Every failure is an Error whose message a person can read.

const KEY = "hiersrec-key";

export class KeyWanted extends Error {}

export function keepKey(key) {
  sessionStorage.setItem(KEY, key);
}

export async function ask(path, body) {
  const headers = {};
  const key = sessionStorage.getItem(KEY);
  if (key !== null) headers["X-API-Key"] = key;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const method = body === undefined ? "GET" : "POST";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: JSON.stringify(body) });
  } catch {
    throw new Error("The server can't be reached. Is it still running?");
  }
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) return found;
  const message = found.error ?? `The server answered ${answer.status} ${answer.statusText}.`;
  if (answer.status === 401) throw new KeyWanted(key === null ? "" : message);
  throw new Error(message);
}
