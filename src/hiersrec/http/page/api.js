// Requests to the service. Every failure is an Error with a readable message.

const KEY = "hiersrec-key";

export class KeyRequired extends Error {}

export function keepKey(key) {
  sessionStorage.setItem(KEY, key);
}

export async function ask(path, body) {
  const headers = {};
  const key = sessionStorage.getItem(KEY);
  if (key !== null) headers["X-API-Key"] = key;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const method = body === undefined ? "GET" : "POST";
  let response;
  try {
    response = await fetch(path, { method, headers, body: JSON.stringify(body) });
  } catch {
    throw new Error("The server can't be reached. Is it still running?");
  }
  const content = await response.json().catch(() => ({}));
  if (response.ok) return content;
  const message = content.error ?? `The server answered ${response.status} ${response.statusText}.`;
  if (response.status === 401) throw new KeyRequired(key === null ? "" : message);
  throw new Error(message);
}
