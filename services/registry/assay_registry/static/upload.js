import { call, part } from "./api.js";

const brand = document.querySelector("#brand").dataset.brand;
const drop = document.querySelector("#drop");
const input = document.querySelector("#files");
const list = document.querySelector("#upload-files");
const summary = document.querySelector("#upload-summary");
const AT_ONCE = 4;

input.addEventListener("change", () => send([...input.files]));
drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  send([...event.dataTransfer.files]);
});

async function send(files) {
  if (!files.length) return;
  input.disabled = true;
  try {
    const upload = (await call("POST", `/v1/brands/${brand}/uploads`, {})).id;
    const rows = new Map(files.map((file) => [file.name, addRow(file.name)]));
    const waiting = [...files];
    const sender = async () => {
      for (let file = waiting.shift(); file; file = waiting.shift()) await put(upload, file, rows.get(file.name));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, sender));
    await follow(upload, rows);
  } catch (error) {
    summary.textContent = error.message;
  }
  input.disabled = false;
  input.value = "";
}

function addRow(name) {
  const row = document.createElement("li");
  row.innerHTML = `<span class="name"></span><progress max="1" value="0"></progress>`;
  row.querySelector(".name").textContent = name;
  list.prepend(row);
  return row;
}

// XMLHttpRequest, for fetch tells nothing of an upload's progress. A busy server is asked again.
function put(upload, file, row, attempt = 0) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const again = (reason) => {
      if (attempt < 5) setTimeout(() => resolve(put(upload, file, row, attempt + 1)), 1000 * 2 ** attempt);
      else { tell(row, "failed", reason); resolve(); }
    };
    request.open("PUT", `/v1/brands/${brand}/uploads/${upload}/files/${part(file.name)}`);
    request.upload.onprogress = (event) => { const bar = row.querySelector("progress"); if (bar) bar.value = event.loaded / event.total; };
    request.onerror = () => again("The connection broke");
    request.onload = () => {
      if (request.status < 300) { tell(row, "received"); resolve(); return; }
      let detail = `The server answered ${request.status}`;
      try { detail = JSON.parse(request.responseText).detail; } catch { /* no problem document */ }
      if (request.status >= 500 || request.status === 429) again(detail);
      else { tell(row, "refused", detail); resolve(); }
    };
    request.send(file);
  });
}

function tell(row, state, reason = "") {
  const name = row.querySelector(".name");
  row.replaceChildren(name, Object.assign(document.createElement("span"), { textContent: state }));
  row.className = state === "accepted" ? "accepted" : "";
  if (reason) row.append(Object.assign(document.createElement("span"), { textContent: reason, className: "reason" }));
}

// Until every file is judged or waits for its other half: unchanged for half a minute is the end.
async function follow(upload, rows) {
  for (let quiet = 0, last = ""; quiet < 30; quiet++) {
    const state = await call("GET", `/v1/brands/${brand}/uploads/${upload}`);
    const counts = Object.entries(state.counts).map(([name, count]) => `${count} ${name}`).join(", ");
    if (counts !== last) quiet = 0;
    last = counts;
    summary.textContent = counts;
    for (const file of state.files) {
      const row = rows.get(file.name);
      if (row) tell(row, file.state, file.reason ?? "");
    }
    if (!state.counts.received) return;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  summary.textContent += ". Files still received wait for their other half: each photo needs a JSON file of the same name.";
}
