"use strict";

/* What-if questions at the place that is shown. The server predicts it anew, window by window, and the answer is drawn
   below the unchanged tracks of the sample. Uses what view.js defines. */

const SLIDER_STEPS = 1000;
const LEAST_SLIDER_TPM = 1000;
const LEAST_SHARE = 0.05; // of a track's scale: smaller changes do not fill the height of the difference
const live = { about: null, cancel: null, pending: Promise.resolve(), tracks: [], answer: null };

/* Bins of all windows of an answer, by track: { as_is: [...], changed: [...] } and the first bin. */
async function readAnswer(response, progress) {
  const answer = { tracks: {}, first: null };
  let rest = "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop();
    for (const line of lines.map((text) => JSON.parse(text))) {
      if (line.error) throw new Error(line.error);
      if ("windows" in line) Object.assign(answer, line);
      if ("end" in line) answer.end = line.end;
      if ("first_bin" in line) {
        answer.first ??= line.first_bin;
        for (const [name, bins] of Object.entries(line.tracks)) {
          const all = (answer.tracks[name] ??= { as_is: [], changed: [] });
          for (const kind of ["as_is", "changed"]) all[kind].push(...bins[kind]);
        }
      }
      progress(answer, line);
    }
  }
  if (!("end" in answer)) throw new Error("The answer ended early; look at the terminal of epigept-batch view.");
  return answer;
}

function features(answer, values) {
  const size = answer.bin_bp;
  return values.flatMap((value, number) => value === null ? [] : [
    { chr: answer.contig, start: (answer.first + number) * size, end: (answer.first + number + 1) * size, value },
  ]);
}

/* The changed track, and the difference from the unchanged one, below what is predicted. */
function liveTracks(answer, sample) {
  const found = [];
  for (const { sample: of, group, kind, config } of view.data.tracks) {
    const bins = answer.tracks[group];
    if (of !== sample || kind !== "predicted" || !bins || !view.shown.mark.has(group)) continue;
    const differences = bins.changed.map((value, number) =>
      value === null || bins.as_is[number] === null ? null : value - bins.as_is[number]);
    const most = Math.max(LEAST_SHARE * config.max, ...differences.map((value) => Math.abs(value ?? 0)));
    const shared = { type: "wig", autoscale: false, height: config.height, windowFunction: config.windowFunction };
    found.push(
      { ...shared, id: `live/changed/${group}`, name: asHtml(`${sample} ${group} what if`), color: config.color,
        altColor: config.color, overflowColor: config.color, min: config.min, max: config.max,
        order: config.order + 0.3, features: features(answer, bins.changed) },
      { ...shared, id: `live/difference/${group}`, name: asHtml(`${sample} ${group} what if − as is`), color: config.color,
        altColor: config.color, min: -most, max: most, order: config.order + 0.6, windowFunction: "mean",
        features: features(answer, differences) },
    );
  }
  return found;
}

/* Remove the tracks of the last answer, and show those of the next; after what view.js does. */
function showTracks(configs) {
  view.pending = view.pending.then(async () => {
    for (const track of view.browser.findTracks((one) => String(one.id).startsWith("live/"))) await remove(track);
    if (configs.length) await view.browser.loadTrackList(configs);
  });
  return view.pending;
}

function settings() {
  return [...element("factors").querySelectorAll("input[type=number]")]
    .map((input) => `${input.name}=${input.value}`).join(",");
}

function say(text) {
  element("live-said").textContent = text;
}

async function predict() {
  live.cancel?.abort();
  const abort = live.cancel = new AbortController();
  const bar = element("live-progress");
  const question = {
    sample: element("live-sample").value, region: view.browser.currentLoci().toString().replace(/\d+\.\d+/g, Math.round),
    settings: settings(), variant: element("live-variant").value,
  };
  say("Predicting …");
  bar.removeAttribute("value");
  bar.hidden = false;
  element("live-cancel").disabled = false;
  try {
    const response = await fetch("live", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question),
      signal: abort.signal,
    });
    if (!response.ok) throw new Error(await response.text());
    let done = 0;
    const answer = await readAnswer(response, ({ windows }, line) => {
      bar.max = windows;
      if ("first_bin" in line) bar.value = ++done;
    });
    if (abort.signal.aborted) return;
    live.answer = answer;
    await showTracks(liveTracks(answer, question.sample));
    say(`${answer.changes.join("; ")}. ${readable(question.region)}, ${answer.windows} window${answer.windows === 1 ? "" : "s"}.`);
  } catch (error) {
    if (live.cancel === abort) say(abort.signal.aborted ? "Cancelled." : (error.message ?? String(error)).trim());
  } finally {
    if (live.cancel === abort) {
      bar.hidden = true;
      element("live-cancel").disabled = true;
    }
  }
}

function ask() {
  return (live.pending = predict());
}

/* A slider is even in ln(1 + TPM), as the network reads it. */
function addFactor(name) {
  const known = live.about.expression[element("live-sample").value];
  if (!(name in known) || [...element("factors").children].some((row) => row.dataset.factor === name)) return;
  const top = Math.log1p(Math.max(LEAST_SLIDER_TPM, 4 * known[name]));
  const row = make("div", { className: "factor" });
  row.dataset.factor = name;
  const number = make("input", { type: "number", name, min: 0, step: "any", value: Number(known[name].toPrecision(4)), ariaLabel: `TPM of ${name}` });
  const slider = make("input", { type: "range", min: 0, max: SLIDER_STEPS, ariaLabel: `TPM of ${name}, slider` });
  const follow = () => { slider.value = SLIDER_STEPS * Math.log1p(Number(number.value)) / top; };
  follow();
  slider.addEventListener("input", () => {
    number.value = Number(Math.expm1(slider.value / SLIDER_STEPS * top).toPrecision(3));
  });
  for (const input of [slider, number]) input.addEventListener("change", () => { follow(); ask(); });
  const remover = make("button", { type: "button", textContent: "×", title: `Leave ${name} as it is`, ariaLabel: `Leave ${name} as it is` });
  remover.addEventListener("click", () => { row.remove(); });
  const label = make("span", { className: "name", textContent: name, title: `${known[name].toPrecision(4)} TPM in the table` });
  row.append(label, slider, number, remover);
  element("factors").append(row);
}

function clearLive() {
  live.cancel?.abort();
  element("factors").replaceChildren();
  element("live-variant").value = "";
  say("");
  return showTracks([]);
}

async function startLive() {
  await window.epigeptView.ready;
  if (!view.data.live) return;
  const answer = await fetch("live.json");
  if (!answer.ok) throw new Error(await answer.text());
  live.about = await answer.json();
  const samples = Object.keys(live.about.expression);
  for (const name of samples) element("live-sample").append(make("option", { value: name, textContent: name }));
  for (const name of Object.keys(live.about.expression[samples[0]]).sort()) {
    element("factor-names").append(make("option", { value: name }));
  }
  for (const note of live.about.notes) element("live-notes").append(make("p", { textContent: note }));
  element("live-sample").addEventListener("change", clearLive);
  element("add-factor").addEventListener("change", ({ target }) => {
    addFactor(target.value.trim());
    target.value = "";
  });
  element("question").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  element("live-cancel").addEventListener("click", () => live.cancel?.abort());
  element("live-clear").addEventListener("click", clearLive);
  element("live").hidden = false;
}

window.epigeptLive = { ready: startLive(), settled: () => live.pending, answer: () => live.answer };
window.epigeptLive.ready.catch((error) => say(`What-if questions are not available: ${error.message ?? error}`));
