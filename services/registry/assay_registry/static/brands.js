import { call } from "./api.js";

const form = document.querySelector("#new-brand");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { name, slug } = Object.fromEntries(new FormData(form));
  try {
    await call("POST", "/v1/brands", { name, slug });
    location.href = `/brands/${slug}`;
  } catch (error) {
    const place = form.querySelector(".problem");
    place.textContent = error.message;
    place.hidden = false;
  }
});
