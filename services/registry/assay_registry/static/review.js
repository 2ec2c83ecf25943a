import { call } from "./api.js";

const brand = document.querySelector("#brand").dataset.brand;
const problem = document.querySelector("#problem");

async function attempt(card, action) {
  problem.hidden = true;
  const buttons = [...card.querySelectorAll("button")];
  for (const button of buttons) button.disabled = true;
  try { await action(); } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    problem.scrollIntoView({ block: "center" });
    for (const button of buttons) button.disabled = false;
  }
}

for (const card of document.querySelectorAll("[data-verification]")) {
  const address = `/v1/verifications/${card.dataset.verification}`;
  explain(card, address);
  for (const button of card.querySelectorAll("[data-truth]"))
    button.addEventListener("click", () => attempt(card, async () => {
      const { truth } = button.dataset;
      const reviewed = await call("POST", `${address}/review`, { truth, note: card.querySelector("[name=note]").value });
      // Its boxes are offered above.
      if (reviewed.picture && truth !== "unusable") location.reload();
      else card.remove();
    }));
}

// Not every verification has an explanation: the picture shows once it has come.
function explain(card, address) {
  const link = Object.assign(document.createElement("a"), { href: `${address}/explanation`, target: "_blank", title: "Larger" });
  const image = Object.assign(document.createElement("img"), { alt: "where it departs from genuine ones", hidden: true });
  image.addEventListener("load", () => { image.hidden = false; });
  image.addEventListener("error", () => link.remove());
  image.src = link.href;
  link.append(image);
  card.querySelector(".explanation").append(link);
}

for (const card of document.querySelectorAll("[data-image]")) {
  const boxes = [...card.querySelectorAll("rect")];
  for (const box of boxes) {
    const toggle = () => box.setAttribute("aria-checked", String(!box.classList.toggle("left-out")));
    box.addEventListener("click", toggle);
    box.addEventListener("keydown", (event) => { if (event.key === " " || event.key === "Enter") { event.preventDefault(); toggle(); } });
  }
  card.querySelector("[data-save]")?.addEventListener("click", () => attempt(card, async () => {
    const image = `/v1/brands/${brand}/images/${card.dataset.image}`;
    const document_ = await call("GET", `${image}/proposal`);
    document_.annotations = document_.annotations.filter((_, place) => !boxes[place].classList.contains("left-out"));
    await call("PUT", `${image}/annotation`, document_);
    card.remove();
  }));
}
