import { call } from "./api.js";

const find = (selector) => document.querySelector(selector);
const form = find("#verify");
const words = { genuine: "Genuine", counterfeit: "Counterfeit", inconclusive: "Cannot tell from this picture" };
const colours = { product: "#35c58b", mark: "#4aa3ff", counterfeit: "#ff5b4d" };

for (const input of [form.elements.image, find("#stored")])
  input.addEventListener("change", () => input.files[0] && verify(input.files[0], input));

async function verify(file, input) {
  const body = new FormData();
  body.append("image", file);
  for (const name of ["brand", "gtin"]) if (form.elements[name].value.trim()) body.append(name, form.elements[name].value.trim());
  find("#answer").hidden = true;
  find("#status").textContent = "Looking…";
  try {
    const answer = await call("POST", "/v1/verifications", body);
    find("#status").textContent = "";
    show(answer);
    await draw(file, answer);
  } catch (error) {
    find("#status").textContent = error.status === 401 ? "Log in first (Brands, above): this brand's pictures are judged for its key holders only." : error.message;
  }
  input.value = "";
}

function show(answer) {
  const verdict = find("#verdict");
  verdict.className = answer.verdict;
  verdict.textContent = `${words[answer.verdict]} (${answer.score.toFixed(2)})`;
  find("#guidance").replaceChildren(...answer.guidance.map((text) => element("li", text)));
  find("#checks tbody").replaceChildren(...answer.checks.map((check) => {
    const row = document.createElement("tr");
    row.append(element("td", check.name.replaceAll("_", " ")), element("td", check.outcome.replaceAll("_", " "), check.outcome), element("td", check.reason));
    return row;
  }));
  find("#details").textContent = `${answer.brand}, model ${answer.model_version}, ${Math.round(answer.timings_ms.total ?? 0)} ms, ${answer.id}`;
  const figure = find("#explanation");
  figure.hidden = true;
  const picture = figure.querySelector("img");
  // Only what was compared with the genuine print has an explanation.
  picture.onload = () => { figure.hidden = false; };
  if (answer.checks.some((check) => check.name === "appearance" && check.outcome !== "not_applicable"))
    picture.src = `/v1/verifications/${answer.id}/explanation`;
  find("#answer").hidden = false;
}

// The boxes are in pixels of the upright picture, as the browser shows it.
async function draw(file, answer) {
  const canvas = find("#canvas");
  let picture;
  try { picture = await createImageBitmap(file, { imageOrientation: "from-image" }); } catch { canvas.hidden = true; return; }
  canvas.hidden = false;
  const scale = Math.min(1, 1280 / picture.width);
  canvas.width = picture.width * scale;
  canvas.height = picture.height * scale;
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  pen.lineWidth = Math.max(2, canvas.width / 300);
  pen.font = `${Math.max(14, canvas.width / 50)}px system-ui`;
  const ratio = canvas.width / answer.image.width;
  for (const { label, role, confidence, box } of answer.detections) {
    pen.strokeStyle = pen.fillStyle = colours[role];
    pen.strokeRect(box.left * ratio, box.top * ratio, box.width * ratio, box.height * ratio);
    pen.fillText(`${label} ${confidence.toFixed(2)}`, box.left * ratio + 4, Math.max(box.top * ratio - 6, 16));
  }
}

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}
