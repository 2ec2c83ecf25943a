import { call, part } from "./api.js";

const brand = document.querySelector("#brand").dataset.brand;
const problem = document.querySelector("#problem");

async function attempt(action) {
  problem.hidden = true;
  try { await action(); } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    problem.scrollIntoView({ block: "center" });
    const missing = error.problem?.missing ?? [];
    document.querySelector("#missing").replaceChildren(...missing.map(({ advice }) =>
      Object.assign(document.createElement("li"), { textContent: advice })));
  }
}

document.querySelector("#finished").addEventListener("click", (event) => attempt(async () => {
  event.target.disabled = true;
  try { await call("POST", `/v1/brands/${brand}/training-runs`, {}); } finally { event.target.disabled = false; }
  location.reload();
}));

document.querySelector("#new-product").addEventListener("submit", (event) => {
  event.preventDefault();
  const { gtin, name, label } = Object.fromEntries(new FormData(event.target));
  attempt(async () => { await call("PUT", `/v1/brands/${brand}/products/${part(gtin)}`, { name, label }); location.reload(); });
});

for (const select of document.querySelectorAll("[data-label]"))
  select.addEventListener("change", () => attempt(() => call("PUT", `/v1/brands/${brand}/labels/${part(select.dataset.label)}`, { role: select.value })));

document.addEventListener("click", ({ target }) => {
  if (target.dataset.live) attempt(async () => { await call("PUT", `/v1/brands/${brand}/live`, { version: target.dataset.live }); location.reload(); });
  if (target.dataset.cancel) attempt(() => call("DELETE", `/v1/brands/${brand}/training-runs/${target.dataset.cancel}`));
});

for (const panel of document.querySelectorAll(".run[data-active=yes]")) {
  const events = new EventSource(`/v1/brands/${brand}/training-runs/${panel.id}/events`);
  const refresh = async (event) => {
    const answer = await fetch(`/brands/${brand}/runs/${panel.id}/panel`);
    if (answer.ok) panel.innerHTML = await answer.text();
    let state = "";
    try { state = JSON.parse(event.data).state; } catch { /* a comment or a ping */ }
    if (["succeeded", "failed", "cancelled"].includes(state)) { events.close(); location.reload(); }
  };
  events.onmessage = refresh;
  events.addEventListener("run", refresh);
}
