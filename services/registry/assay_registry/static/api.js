// Calls the API with the cookie's key; a problem document becomes an Error with its detail.
export async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  const text = await answer.text();
  let value = null;
  try { value = text ? JSON.parse(text) : null; } catch { /* not JSON: the status tells */ }
  if (!answer.ok) throw Object.assign(new Error(value?.detail ?? `The server answered ${answer.status}`), { problem: value, status: answer.status });
  return value;
}

// A part of a path; each folder of a file's name stays a folder.
export const part = (text) => text.split("/").map(encodeURIComponent).join("/");
