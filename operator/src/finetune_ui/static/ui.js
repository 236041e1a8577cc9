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
    uirevision: "kept", // zoom stays while data is added
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

// The places of charts are kept, everything else that is live is replaced.
function replace(fresh) {
  for (const place of parts(document)) {
    const now = fresh.getElementById(place.id);
    if (!now) return false;
    // Against what was received, not what stands there: a reader may have opened or selected something in it.
    if (received.get(place.id) === now.innerHTML || place.contains(document.activeElement)) continue;
    received.set(place.id, now.innerHTML);
    place.innerHTML = now.innerHTML;
  }
  if (parts(document).length !== parts(fresh).length) return false;
  const ids = (page) => [...page.querySelectorAll(".chart")].map((one) => one.id).join(" ");
  return ids(document) === ids(fresh);
}

async function refresh() {
  if (document.hidden) return setTimeout(refresh, PERIOD); // nobody looks
  const stale = document.getElementById("stale");
  try {
    const answer = await fetch(location.href, { headers: { "X-Refresh": "1" }, cache: "no-store" });
    if (!answer.ok) throw new Error(`the server says ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!replace(fresh)) return location.reload();
    draw(false);
    if (stale) stale.textContent = "";
  } catch (error) {
    if (stale) stale.textContent = `Not up to date since ${new Date().toLocaleTimeString()}: ${error.message}. Still trying.`;
    return setTimeout(refresh, 3 * PERIOD);
  }
  return setTimeout(refresh, PERIOD);
}

for (const place of parts(document)) received.set(place.id, place.innerHTML);
draw(false);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(true));
if (document.body.dataset.refresh) setTimeout(refresh, PERIOD);
