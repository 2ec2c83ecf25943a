import { call } from "./api.js";

const find = (selector) => document.querySelector(selector);
const form = find("#verify");
const words = { genuine: "Genuine", counterfeit: "Counterfeit", inconclusive: "Cannot tell from this picture" };
const verdicts = { genuine: "#35c58b", counterfeit: "#ff5b4d", inconclusive: "#f0b95b" };
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
  // A verify API from before an upgrade lists none.
  answer.products ??= [];
  const verdict = find("#verdict");
  verdict.className = answer.verdict;
  verdict.textContent = `${words[answer.verdict]} (${answer.score.toFixed(2)})`;
  find("#guidance").replaceChildren(...answer.guidance.map((text) => element("li", text)));
  find("#details").textContent = `${answer.brand}, model ${answer.model_version}, ${Math.round(answer.timings_ms.total ?? 0)} ms, ${answer.id}`;
  showChecks(answer.checks);
  explain(answer.id, 0, answer.products.filter((product) => product.decides));
  showProducts(answer);
  find("#answer").hidden = false;
}

function showChecks(checks) {
  find("#checks tbody").replaceChildren(...checks.map((check) => {
    const row = document.createElement("tr");
    row.append(element("td", check.name.replaceAll("_", " ")), element("td", check.outcome.replaceAll("_", " "), check.outcome), element("td", check.reason));
    return row;
  }));
}

// Only what was compared with the genuine print has an explanation; it shows once it has come.
function explain(id, place, [product]) {
  const figure = find("#explanation");
  figure.hidden = true;
  const picture = figure.querySelector("img");
  picture.onload = () => { figure.hidden = false; };
  picture.removeAttribute("src");
  if (product?.checks.some((check) => check.name === "appearance" && check.outcome !== "not_applicable"))
    figure.querySelector("a").href = picture.src = `/v1/verifications/${id}/explanation?product=${place}`;
}

// One product that decides is shown above; of several, each has its line, and its checks and print when chosen.
function showProducts({ id, products, products_left_out: left = 0 }) {
  find("#several").hidden = left === 0 && products.length === products.filter((product) => product.decides).length;
  find("#left-out").textContent = left ? `${left} more ${left === 1 ? "product was" : "products were"} found and not judged.` : "";
  find("#several tbody").replaceChildren(...products.map((product, place) => {
    const row = document.createElement("tr");
    const look = element("button", "Show", "quiet");
    look.type = "button";
    look.addEventListener("click", () => {
      for (const other of row.parentNode.children) other.removeAttribute("aria-current");
      row.setAttribute("aria-current", "true");
      showChecks(product.checks);
      explain(id, place, [product]);
    });
    const last = document.createElement("td");
    last.append(look);
    row.append(element("td", `${place + 1}. ${product.label}${product.gtin ? ` · ${product.gtin}` : ""}`), element("td", `${words[product.verdict]} (${product.score.toFixed(2)})`, product.verdict), last);
    if (product.decides) row.setAttribute("aria-current", "true");
    return row;
  }));
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
  pen.font = `${Math.max(14, canvas.width / 30)}px system-ui`;
  const ratio = canvas.width / answer.image.width;
  const outline = (box, colour, text) => {
    pen.strokeStyle = pen.fillStyle = colour;
    pen.strokeRect(box.left * ratio, box.top * ratio, box.width * ratio, box.height * ratio);
    pen.fillText(text, box.left * ratio + 4, Math.max(box.top * ratio - 6, 16));
  };
  const several = answer.products.length > 1;
  for (const { label, role, confidence, box } of answer.detections)
    if (!(several && role === "product")) outline(box, colours[role], `${label} ${confidence.toFixed(2)}`);
  if (several) answer.products.forEach(({ label, box, verdict }, place) => outline(box, verdicts[verdict], `${place + 1}. ${label}`));
}

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}
