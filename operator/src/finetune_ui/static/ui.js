// Draws the charts, and brings the page up to date every few seconds without losing place, zoom or selection.
"use strict";

const PERIOD = 5000;
const drawn = new Map();
const received = new Map();

function parts(page) {
  return [...page.querySelectorAll("[data-live]")];
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  return { text: style.getPropertyValue("--text").trim(), line: style.getPropertyValue("--line").trim() };
}

function layout(given) {
  const { text, line } = colours();
  const axis = { gridcolor: line, zerolinecolor: line, automargin: true, exponentformat: "power" };
  return {
    ...given,
    xaxis: { ...axis, ...given.xaxis },
    yaxis: { ...axis, ...given.yaxis },
    font: { color: text, size: 12 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 50, r: 10, t: 10, b: 40 },
    uirevision: given.yaxis?.title?.text ?? "kept", // zoom stays while data is added, and goes with another metric
  };
}

// A chart follows its place, also where the place alone changes: a phone that is turned, fonts that come late.
const sizes = new ResizeObserver((entries) => entries.forEach((one) => Plotly.Plots.resize(one.target)));

function draw(again) {
  const source = document.getElementById("figures");
  if (!source || typeof Plotly === "undefined") return;
  for (const figure of JSON.parse(source.textContent)) {
    const place = document.getElementById(figure.id);
    const text = JSON.stringify(figure);
    if (!place || (!again && drawn.get(figure.id) === text)) continue;
    drawn.set(figure.id, text);
    Plotly.react(place, figure.data, layout(figure.layout), { displayModeBar: false }).then(() => sizes.observe(place));
  }
}

// What is ticked, and where the keyboard is, outlives the replacing of what stands around it.
function keeping(place, change) {
  const name = (one) => JSON.stringify([one.tagName, one.name, one.value, one.href, one.getAttribute("aria-label")]);
  const active = place.contains(document.activeElement) ? name(document.activeElement) : null;
  const ticked = new Set([...place.querySelectorAll("input:checked")].map(name));
  const opened = new Set([...place.querySelectorAll("details[open] > summary")].map((one) => one.textContent));
  change();
  for (const one of place.querySelectorAll("input")) one.checked = ticked.has(name(one));
  for (const one of place.querySelectorAll("summary")) one.parentElement.open = opened.has(one.textContent);
  if (active) [...place.querySelectorAll("a, button, input, [tabindex]")].find((one) => name(one) === active)?.focus();
}

// The places of charts are kept, everything else that is live is replaced.
function replace(fresh) {
  for (const place of parts(document)) {
    const now = fresh.getElementById(place.id);
    if (!now) return false;
    // Against what was received, not what stands there: a reader may have opened or selected something in it.
    if (received.get(place.id) === now.innerHTML) continue;
    received.set(place.id, now.innerHTML);
    keeping(place, () => (place.innerHTML = now.innerHTML));
  }
  if (parts(document).length !== parts(fresh).length) return false;
  const ids = (page) => [...page.querySelectorAll(".chart")].map((one) => one.id).join(" ");
  if (ids(document) !== ids(fresh)) return false;
  for (const chart of document.querySelectorAll(".chart")) {
    const title = fresh.getElementById(chart.id).getAttribute("aria-label");
    chart.setAttribute("aria-label", title);
    chart.previousElementSibling.textContent = title;
  }
  return true;
}

let timer = 0;

function again(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(refresh, milliseconds);
}

// A choice is part of the address, so that it can be handed on; the page follows it without being loaded anew.
function choose(form) {
  const chosen = [...new FormData(form)].filter(([, value]) => value && value !== "0");
  history.replaceState(null, "", location.pathname + (chosen.length ? `?${new URLSearchParams(chosen)}` : ""));
  refresh();
}

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return again(PERIOD); // nobody looks
  const asked = location.href;
  const began = performance.now();
  const stale = document.getElementById("stale");
  try {
    const answer = await fetch(asked, { headers: { "X-Refresh": "1" }, cache: "no-store" });
    if (!answer.ok) throw new Error(`the server says ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (asked !== location.href) return; // chosen meanwhile: another answer is on its way
    if (!replace(fresh)) return location.reload();
    draw(false);
    if (stale) stale.textContent = "";
  } catch (error) {
    if (stale) stale.textContent = `Not up to date since ${new Date().toLocaleTimeString()}: ${error.message}. Still trying.`;
    return again(3 * PERIOD);
  }
  return again(Math.max(PERIOD, 10 * (performance.now() - began))); // a large page takes a tenth of the time at most
}

for (const place of parts(document)) received.set(place.id, place.innerHTML);
draw(false);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(true));
for (const form of document.querySelectorAll("[data-choice]")) form.addEventListener("change", () => choose(form));
if (document.body.dataset.refresh) again(PERIOD);
