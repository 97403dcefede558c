"use strict";

/* The page of `epigept-batch view`: shows what view.json describes, with igv.js. The hash of the URL holds the place and
   what is shown; the token is in a cookie, and leaves the URL at once. */

history.replaceState(null, "", location.pathname + location.hash);

const KINDS = {
  predicted: "Predicted", measured: "Measured", difference: "Differences", peaks: "Peaks", contacts: "Contacts",
};
const LAST = 1e6;
const NARROW = matchMedia("(max-width: 820px)");
const element = (id) => document.getElementById(id);
const view = { data: null, browser: null, shown: {}, pending: Promise.resolve() };

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/* igv.js reads a track's name as HTML, but names of samples and tracks are texts. */
function asHtml(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/* A region with separators between thousands. Only what follows the last colon is a place. */
function readable(region) {
  const place = region.lastIndexOf(":") + 1;
  return region.slice(0, place) + region.slice(place).replace(/\d+/g, (digits) => Number(digits).toLocaleString("en"));
}

/* URLs of the server are relative to the page; igv.js wants them whole. */
function whole(config) {
  const isUrl = ([key, value]) => /url$/i.test(key) && typeof value === "string";
  const urls = Object.entries(config).filter(isUrl).map(([key, value]) => [key, new URL(value, document.baseURI).href]);
  return { ...config, ...Object.fromEntries(urls) };
}

function trackConfig(config) {
  return { ...whole(config), name: asHtml(config.name) };
}

/* Genes come from the server, an interval at a time. */
function geneTrack(config) {
  const url = ({ chr, start, end }) => {
    const asked = new URLSearchParams({ contig: chr, start: Math.floor(start), end: Math.ceil(end) });
    return new URL(`genes?${asked}`, document.baseURI).href;
  };
  return { ...config, sourceType: "custom", source: { url, method: "GET", contentType: "application/json" } };
}

/* What is shown: the names in the hash, where it has any, else those that are shown at first. */
function choose(data) {
  const hash = new URLSearchParams(location.hash.slice(1));
  const chosen = (key, every, first) => {
    const given = hash.getAll(key).filter((name) => every.includes(name));
    return new Set(hash.has(key) ? given : first);
  };
  const samples = data.samples.map((sample) => sample.name);
  const marks = data.marks.map((mark) => mark.name);
  const kinds = Object.keys(KINDS).filter((kind) => data.tracks.some((track) => track.kind === kind));
  view.shown = {
    sample: chosen("sample", samples, data.samples.filter((sample) => sample.shown).map((sample) => sample.name)),
    mark: chosen("mark", marks, marks),
    kind: chosen("kind", kinds, kinds),
  };
  return { kinds, locus: hash.get("locus") };
}

function isShown(track) {
  const { sample, mark, kind } = view.shown;
  return sample.has(track.sample) && kind.has(track.kind) && (track.kind === "contacts" || mark.has(track.group));
}

/* The hash has one entry for each name; an empty one stands for none. */
function writeHash() {
  const locus = view.browser.currentLoci().toString().replace(/\d+\.\d+/g, Math.round);
  const hash = new URLSearchParams({ locus });
  for (const [key, names] of Object.entries(view.shown)) {
    for (const name of names.size ? names : [""]) hash.append(key, name);
  }
  history.replaceState(null, "", `#${hash}`);
}

/* igv.js 3.1 lays out anew after each removal, and fails if the next track goes before that has begun. */
async function remove(track) {
  view.browser.removeTrack(track);
  await new Promise((done) => setTimeout(done));
}

/* Load and remove tracks until those of the choice are there; one change after the other. */
function update() {
  view.pending = view.pending.then(async () => {
    const wanted = new Map(view.data.tracks.filter(isShown).map((track) => [track.config.id, track.config]));
    const known = new Set(view.data.tracks.map((track) => track.config.id));
    for (const track of view.browser.findTracks((one) => known.has(one.id))) {
      if (wanted.has(track.id)) wanted.delete(track.id);
      else await remove(track);
    }
    await view.browser.loadTrackList([...wanted.values()].map(trackConfig));
    writeHash();
  });
  showStatistics();
  return view.pending;
}

function checkbox(key, name, ...rest) {
  const input = make("input", { type: "checkbox", name: key, value: name, checked: view.shown[key].has(name) });
  input.addEventListener("change", () => {
    view.shown[key][input.checked ? "add" : "delete"](name);
    update();
  });
  return make("label", {}, input, ...rest);
}

function showChoices(data, kinds) {
  for (const { name } of data.samples) {
    element("samples").append(checkbox("sample", name, make("span", { className: "name", textContent: name })));
  }
  for (const { name, colour, high } of data.marks) {
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = colour;
    const scale = make("span", { className: "scale", textContent: high === null ? "" : `0–${high}`, title: "common scale" });
    element("marks").append(checkbox("mark", name, swatch, make("span", { className: "name", textContent: name }), scale));
  }
  if (kinds.length > 1) {
    for (const kind of kinds) element("kinds").append(checkbox("kind", kind, KINDS[kind]));
  }
  for (const [id, checked] of [["all", true], ["none", false]]) {
    element(id).addEventListener("click", () => {
      view.shown.sample = new Set(checked ? data.samples.map((sample) => sample.name) : []);
      for (const input of element("samples").querySelectorAll("input")) input.checked = checked;
      update();
    });
  }
}

function showRun(data) {
  document.title = `${data.title} · epigept-batch`;
  element("title").textContent = data.title;
  for (const note of data.notes) element("notes").append(make("p", { textContent: note }));
  for (const [what, value] of data.facts) {
    element("facts").append(make("dt", { textContent: what }), make("dd", { textContent: value }));
  }
  for (const { name, notes } of data.samples) {
    if (notes.length) element("about").append(make("p", {}, make("strong", { textContent: name }), `: ${notes.join(" ")}`));
  }
  for (const region of data.regions) {
    const button = make("button", { type: "button", textContent: readable(region) });
    button.addEventListener("click", () => view.browser.search(region));
    element("regions").append(make("li", {}, button));
  }
  if (data.regions_left_out) {
    element("regions").append(make("li", { textContent: `and ${data.regions_left_out} more` }));
  }
}

/* Means and percentiles of the samples that are shown. */
function showStatistics() {
  const figure = (value) => make("td", { textContent: value === null ? "–" : value.toPrecision(3) });
  const rows = [];
  for (const name of view.shown.sample) {
    const of = view.data.statistics.filter((row) => row.sample === name);
    if (of.length) rows.push(make("tr", { className: "sample" }, make("th", { scope: "rowgroup", colSpan: 3, textContent: name })));
    for (const { track, mean, high } of of) {
      rows.push(make("tr", {}, make("th", { scope: "row", textContent: track }), figure(mean), figure(high)));
    }
  }
  element("rows").replaceChildren(...rows);
  element("statistics").hidden = rows.length === 0;
}

async function copyLink() {
  writeHash();
  try {
    await navigator.clipboard.writeText(location.href);
    element("status").textContent = "Link copied.";
  } catch {
    element("status").textContent = "Copy the address of this page.";
  }
}

async function start() {
  const answer = await fetch("view.json");
  if (!answer.ok) throw new Error(await answer.text());
  view.data = await answer.json();
  const { kinds, locus } = choose(view.data);
  showRun(view.data);
  showChoices(view.data, kinds);
  showStatistics();
  element("panel").open = !NARROW.matches;
  element("copy").addEventListener("click", copyLink);
  view.browser = await igv.createBrowser(element("browser"), {
    reference: whole(view.data.reference),
    locus: view.data.locus,
    tracks: [
      ...(view.data.genes ? [geneTrack(view.data.genes)] : []),
      ...(view.data.reference.indexURL ? [{ type: "sequence", name: "Sequence", order: LAST }] : []),
      ...view.data.tracks.filter(isShown).map((track) => trackConfig(track.config)),
    ],
    loadDefaultGenomes: false,
    // Otherwise igv.js asks a server of its makers for names.
    search: view.data.genes ? { url: new URL("find", document.baseURI).href + "?name=$FEATURE$", coords: 0 } : false,
    showSequence: false, // at the top it would be an empty row, because bases only show close up
    showIdeogram: false,
    showSampleNameButton: false,
    showROITableButton: false,
  });
  element("subtitle").textContent = `Predicted by EpiGePT from RNA-seq · igv.js ${igv.version()}`;
  if (locus && locus !== view.data.locus) await view.browser.search(locus);
  view.browser.on("locuschange", writeHash);
  writeHash();
  return view.browser;
}

/* For scripts of the console and for tests: the browser of igv.js, when it is ready. */
window.epigeptView = { ready: start(), settled: () => view.pending };
window.epigeptView.ready.catch((error) => {
  element("notes").append(make("p", { textContent: `The page could not be shown: ${error.message ?? error}` }));
});
