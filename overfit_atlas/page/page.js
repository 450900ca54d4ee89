"use strict";
// Moves the charts: one state, and every view is fed from it. Nothing is asked of anybody.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const trained = data.courses.filter((one) => one.epochs.length);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const state = { epoch: 1, metric: "loss", shade: "gap", model: 0, point: 0, pair: [], image: null };

const say = (key, values = {}) =>
  data.words[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "–");
const minus = (text) => (/[1-9]/.test(text) ? text.replace("-", "−") : text.replace(/^[-+]/, ""));
const known = (x) => x !== null && x !== undefined;
const nats = (x) => (known(x) ? minus(x.toFixed(2)) : "–");
const signed = (x, digits = 2) => (known(x) ? minus((x > 0 ? "+" : "") + x.toFixed(digits)) : "–");
const percent = (x, digits = 1) => (known(x) ? (100 * x).toFixed(digits) + "%" : "–");
const score = (x) => (state.metric === "accuracy" ? percent(x) : nats(x));
/** Sentences one after the other, as the language joins them. */
const joined = (sentences) => sentences.filter(Boolean).reduce((first, last) => say("then", { first, last }));
const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const theme = () => (dark.matches && !window.matchMedia("print").matches ? "dark" : "light");
const colour = (place) => data.colours[theme()][place % data.colours.light.length];
const colourOf = (name) => colour(data.courses.findIndex((one) => one.name === name));
/** Where `epoch` stands among a model's own epochs; its last where it stopped earlier. */
const placeOf = (epochs, epoch) => {
  let place = 0;
  while (place + 1 < epochs.length && epochs[place + 1] <= epoch) place += 1;
  return place;
};

// --- charts: name of the specification and what it is fed, by the id of its element
const charts = new Map();

function chart(id, name, feed) {
  if ($(id)) charts.set(id, { name, feed, view: null, busy: null });
}

async function draw(id) {
  const one = charts.get(id);
  const fed = one.feed();
  if (!fed) return;
  const spec = structuredClone(data.charts[typeof one.name === "function" ? one.name() : one.name]);
  spec.datasets = fed.data;
  for (const param of spec.params ?? []) if (param.name in fed.signals) param.value = fed.signals[param.name];
  if (fed.height) spec.height = fed.height;
  const made = await window.vegaEmbed($(id), spec, { actions: false, renderer: "svg", ast: true, config: data.themes[theme()], logLevel: 1 });
  one.view = made.view;
  describe(id, fed);
  if (one.ready) one.ready(made.view);
  if (one.stale) await refresh(id);
  one.stale = false;
}

function redraw(id) {
  const one = charts.get(id);
  if (!one) return Promise.resolve();
  one.busy = (one.busy ?? Promise.resolve()).then(() => {
    one.view?.finalize();
    one.view = null;
    return draw(id);
  });
  return one.busy;
}

async function refresh(id) {
  const one = charts.get(id);
  if (!one?.view) {
    if (one) one.stale = true; // it is being drawn from what was so before
    return;
  }
  const fed = one.feed();
  if (!fed) return;
  for (const [name, value] of Object.entries(fed.signals ?? {})) one.view.signal(name, value);
  for (const [name, rows] of Object.entries(fed.data)) one.view.data(name, structuredClone(rows));
  describe(id, fed);
  await one.view.runAsync();
}

function describe(id, fed) {
  $(id).setAttribute("role", "img");
  $(id).setAttribute("aria-label", fed.alt);
  $(id).querySelector("svg")?.setAttribute("aria-hidden", "true");
}

// --- curves: what the chart "curves" needs for one or more series
function lines(id, all, { moment, onset, ends, last, floor = 0, top }) {
  const rows = [], range = [];
  for (const { epochs, probe, val, low, high, colour, name } of all) {
    for (const [split, values] of [["probe", probe], ["val", val]]) {
      epochs.forEach((epoch, i) => {
        if (known(values[i])) rows.push({ epoch, value: values[i], split, series: `${name} ${split}`, colour });
      });
    }
    if (low) epochs.forEach((epoch, i) => known(low[i]) && range.push({ epoch, low: low[i], high: high[i], colour }));
  }
  const width = Math.max($(id).clientWidth - 40, 160);
  const beside = Math.min(8 + 7 * Math.max(0, ...ends.flatMap((end) => end.text.split("\n").map(lengthOf))), 0.5 * width);
  const signals = { reach: 1 + ((last - 1) * width) / (width - beside), last, floor, top };
  return { signals, data: { rows, range, onset: onset ?? [], ends: apart(ends, floor, top - floor), moment: (moment ?? []).map((one) => clear(one, floor, top)) } };
}

/** The words on a small gap stand above both lines, and not on them. */
function clear(moment, floor, top) {
  if (!known(moment.val)) return moment;
  const span = top - floor;
  if (Math.abs(moment.val - moment.probe) > 0.15 * span) return moment;
  const highest = Math.max(moment.val, moment.probe);
  return { ...moment, middle: highest > top - 0.2 * span ? Math.min(moment.val, moment.probe) - 0.08 * span : highest + 0.08 * span };
}

/** How long a text is, in letters; those of Japanese are twice as wide. */
const lengthOf = (text) => [...text].reduce((sum, letter) => sum + (letter > "\u2e80" ? 1.8 : 1), 0);

/** Labels at the lines' ends, moved apart until none lies on another or on the axis. */
function apart(ends, floor, span) {
  const line = 0.066 * span;
  const below = (one) => (one.text.split("\n").length - 1) * line; // a text hangs from its first line
  const sorted = ends.map((one) => ({ ...one, value: one.value + below(one) / 2 })).sort((a, b) => a.value - b.value);
  for (const one of sorted) one.value = Math.min(one.value, floor + span - line / 2);
  if (sorted.length) sorted[0].value = Math.max(sorted[0].value, floor + line / 2 + below(sorted[0]));
  for (let i = 1; i < sorted.length; i += 1) {
    sorted[i].value = Math.max(sorted[i].value, sorted[i - 1].value + line + below(sorted[i]));
  }
  return sorted;
}

const folded = (title) => title.split(/, |（|: /).map((part) => part.replace("）", "")).join("\n");
const limit = (all) => {
  const values = all.flatMap((one) => [...one.val, ...one.probe].filter(known));
  const settled = all.flatMap((one) => [...one.val.slice(2), ...one.probe.slice(2)].filter(known));
  return Math.min(Math.max(...values), 1.6 * Math.max(...(settled.length ? settled : values))) * 1.04;
};
const least = (all) => Math.min(...all.flatMap((one) => [...one.val, ...one.probe].filter(known)));
const bounds = (all, accuracy) => (accuracy ? { floor: Math.max(0, least(all) - 0.03), top: 1 } : { floor: 0, top: limit(all) });

/** Curves on the axis of `one`: all of them, unless their losses are too unlike to be seen on one. */
function onOneAxis(one, all) {
  const tops = all.map((x) => limit([x]));
  return Math.max(...tops) > 3 * Math.min(...tops) ? [one] : all;
}

function momentOf(one, place) {
  const [probe, val] = [one.probe[place], one.val[place]];
  return known(probe) && known(val) ? [{ epoch: one.epochs[place], probe, val, middle: (probe + val) / 2, gap: one.gapSaid ?? "" }] : [];
}

function onsetOf(onset) {
  if (onset?.status !== "confirmed") return [];
  const best = onset.best_epoch;
  return [{ best, low: onset.low ?? best, high: onset.high ?? best }];
}

function onsetSaid(onset) {
  if (!onset) return say("js.no_onset");
  if (onset.status === "confirmed") return say("js.onset", { epoch: onset.best_epoch, low: onset.low, high: onset.high });
  return say(onset.status === "censored" ? "js.censored" : "js.no_onset");
}

function feedCourse(index) {
  return () => {
    const course = trained[index];
    const curves = (one) => ({ ...one.curves[state.metric], epochs: one.epochs, name: one.name, colour: colourOf(one.name) });
    const one = curves(course);
    const place = placeOf(course.epochs, state.epoch);
    const end = one.val.findLastIndex(known);
    if (end < 0) { // not an empty figure
      const ends = [{ epoch: 1, value: 0.5, text: say("js.not_recorded") }];
      return { ...lines(`course-${index}`, [], { ends, last: course.epochs.at(-1), top: 1 }), alt: `${course.name}: ${say("js.not_recorded")}` };
    }
    const gap = known(one.probe[place]) ? (one.val[place] - one.probe[place]) * (state.metric === "accuracy" ? -1 : 1) : null;
    const all = trained.map(curves).filter((x) => x.val.some(known));
    const ends = [
      { epoch: course.epochs[end], value: one.val[end], text: `${say("js.val")}:\n${folded(course.title)}` },
      { epoch: course.epochs[end], value: one.probe[end], text: folded(say(`js.${course.fitted}`)) },
    ].filter((x) => known(x.value));
    const said = state.metric === "accuracy" && known(gap) ? say("js.points", { value: signed(100 * gap, 1) }) : signed(gap);
    one.gapSaid = say("js.gap", { gap: said });
    const fed = lines(`course-${index}`, [one], {
      moment: momentOf(one, place), onset: state.metric === "loss" ? onsetOf(course.onset) : [],
      ends, last: course.epochs.at(-1), ...bounds(state.metric === "accuracy" ? all : onOneAxis(one, all), state.metric === "accuracy"),
    });
    const values = { model: course.name, epoch: course.epochs[place], probe: score(one.probe[place]), val: score(one.val[place]) };
    fed.alt = say("js.course_alt", { ...values, gap: said, onset: onsetSaid(course.onset), title: course.title });
    return fed;
  };
}

// --- what is confused, and how sure it is
const SHOWN_CLASSES = 20;
function classNames(course) {
  return data.gallery?.classes ?? course.totals.map((_, i) => String(i));
}

function feedConfusion() {
  const course = trained[state.model];
  if (!course.mistakes) return null;
  const names = classNames(course);
  const place = Math.min(placeOf(course.epochs, state.epoch), course.mistakes.length - 1);
  const cells = course.mistakes[place];
  const shown = shownClasses(course);
  const right = course.right[place];
  const times = new Map(cells.map(([t, p, n]) => [`${t},${p}`, n]));
  const rows = [];
  for (const t of shown) for (const p of shown) {
    const total = course.totals[t] || 1;
    const share = t === p ? right[t] / total : (times.get(`${t},${p}`) ?? 0) / total;
    const label = share >= 0.015 ? String(Math.round(100 * share)) : "";
    rows.push({ true: names[t], predicted: names[p], share, right: t === p, label });
  }
  $("confusion-part").textContent = shown.length < names.length ? say("js.confusion_part", { shown: shown.length, total: names.length }) : "";
  const all = course.totals.reduce((a, b) => a + b, 0);
  const values = { model: course.name, epoch: course.epochs[place], right: percent(right.reduce((a, b) => a + b, 0) / all) };
  const most = cells[0];
  const alt = most
    ? say("js.confusion_alt", { ...values, true: names[most[0]], said: names[most[1]], times: most[2] })
    : say("js.confusion_alt_none", values);
  return { signals: {}, data: { rows }, alt };
}

function shownClasses(course) {
  const names = classNames(course).map((_, i) => i);
  if (names.length <= SHOWN_CLASSES) return names;
  const counts = names.map(() => 0);
  for (const [t, p, n] of course.mistakes.at(-1)) { counts[t] += n; counts[p] += n; }
  return names.sort((a, b) => counts[b] - counts[a]).slice(0, SHOWN_CLASSES).sort((a, b) => a - b);
}

function feedCalibration() {
  const course = trained[state.model];
  if (!course.calibration) return null;
  const place = Math.min(placeOf(course.epochs, state.epoch), course.calibration.length - 1);
  const rows = course.calibration[place].map(([claimed, right]) => ({ claimed, right }));
  const mean = (name) => rows.reduce((sum, row) => sum + row[name], 0) / rows.length;
  const values = { model: course.name, epoch: course.epochs[place] };
  const alt = say("js.calibration_alt", { ...values, claimed: percent(mean("claimed")), right: percent(mean("right")) });
  return { signals: {}, data: { rows }, alt };
}

// --- the map
function pointNow(point) {
  const place = point.epochs ? placeOf(point.epochs, state.epoch) : -1;
  const atEnd = place < 0 || place === point.epochs.length - 1;
  const judged = point.judged?.findLast(([epoch]) => epoch <= (point.epochs?.[place] ?? state.epoch));
  const firstAt = judged || atEnd ? null : point.judged?.[0][0]; // known where it is not judged yet
  const unjudged = known(firstAt);
  const ofLast = atEnd || !(judged || unjudged);
  const [verdict, kind, plainly] = ofLast ? [point.verdict, point.kind, point.plainly] : judged?.slice(1) ?? ["", "", false];
  const gap = atEnd && known(point.gap_loss) ? point.gap_loss : point.gap?.[place];
  return { place, gap, val_loss: point.val?.[place], verdict, kind, plainly, unjudged, firstAt, ofLast, judgedAt: judged?.[0], onset: onsetOf(point.onset)[0]?.best };
}

/** The frontier of the largest budget that has passed; null before the first. */
const frontierNow = () => data.plane.frontiers.findLast((one) => (one.epochs ?? 0) <= state.epoch) ?? null;

/** The name of a verdict, or of the kind of overfit; undefined where the map has no name for it. */
const named = ({ verdict, kind }) => {
  if (verdict === "overfit") return data.words[`kind.${kind.replaceAll(" ", "_")}`] ?? data.words["kind.overfit"];
  return data.words[`kind.${verdict.replaceAll(" ", "_")}`];
};
const kindSaid = (now) => (now.unjudged ? data.words["kind.unjudged"] : named(now) ?? data.words["kind.other"]);
/** The same as sure as it is; what cannot be judged is not said to be probably so. */
const surelySaid = (now) => (now.unjudged || now.plainly || !named(now) ? kindSaid(now) : say("js.probably", { kind: named(now) }));

function feedPlane() {
  const { points, frontiers, threshold } = data.plane;
  const frontier = frontierNow();
  const rows = points.map((point, index) => {
    const now = pointNow(point);
    const [x, x2, y, y2] = point.cell;
    return { index, x, x2, y, y2, gap: now.gap ?? null, val_loss: now.val_loss ?? null, onset: now.onset ?? null, kind: kindSaid(now), unsure: !now.plainly && !now.unjudged };
  });
  const ends = (name) => points.flatMap((point) => point.cell.slice(...name));
  const [xs, ys] = [ends([0, 2]), ends([2, 4])];
  const signals = { left: Math.min(...xs), right: Math.max(...xs), bottom: Math.min(...ys), ceiling: Math.max(...ys), threshold, columns: $("map").clientWidth < 440 ? 2 : 3 };
  const chosen = points[state.point];
  const above = rows.filter((row) => row.gap > threshold).length;
  const values = { epoch: state.epoch, threshold: nats(threshold), above, total: rows.length, width: chosen.width, dropout: chosen.dropout };
  const first = frontiers[0]?.epochs;
  const reach = frontier ? frontier.said : known(first) ? say("js.no_frontier", { epoch: first }) : "";
  $("reach").textContent = reach;
  const alt = `${say("js.plane_alt", values)} ${reach}`.trim();
  return { signals, data: { points: rows, chosen: [rows[state.point]], frontier: frontier?.rows ?? [] }, alt };
}

function feedPoint() {
  const point = data.plane.points[state.point];
  const now = pointNow(point);
  const at = { width: point.width, dropout: point.dropout };
  const when = now.unjudged ? say("js.point_first", { epoch: now.firstAt }) : now.ofLast ? say("js.point_last") : say("js.point_at", { epoch: now.judgedAt });
  $("point-said").textContent = say("js.point", { ...at, when, title: surelySaid(now), gap: signed(now.gap), onset: onsetSaid(point.onset) });
  if (!point.val) return null;
  const one = { ...point, colour: colour(0), name: "point", gapSaid: say("js.gap", { gap: signed(now.gap) }) };
  const limits = data.plane.points.filter((x) => x.val).map((x) => limit([x])).sort((a, b) => a - b);
  const top = Math.max(limits[Math.floor(limits.length / 2)], limit([one]));
  const last = point.epochs.at(-1);
  const ends = [
    { epoch: last, value: one.val.at(-1), text: say("js.val") },
    { epoch: last, value: one.probe.at(-1), text: say("js.probe") },
  ];
  const fed = lines("point", [one], { moment: momentOf(one, now.place), onset: onsetOf(point.onset), ends, last, floor: 0, top });
  const said = { ...at, epoch: point.epochs[now.place], probe: nats(one.probe[now.place]), val: nats(one.val[now.place]) };
  fed.alt = say("js.point_alt", { ...said, gap: signed(now.gap) });
  fed.height = 320;
  return fed;
}

function choosePoint(index) {
  if (index === state.point || !(index >= 0)) return;
  state.point = index;
  const point = data.plane.points[index];
  $("width").value = point.width;
  $("dropout").value = point.dropout;
  refresh("map");
  refresh("point");
}

function startPlane() {
  const { points } = data.plane;
  const values = (name) => [...new Set(points.map((point) => point[name]))].sort((a, b) => a - b);
  for (const name of ["width", "dropout"]) {
    $(name).append(...values(name).map((value) => new Option(value)));
    $(name).addEventListener("change", () => choosePoint(nearest(Number($("width").value), Number($("dropout").value), name)));
  }
  const gaps = points.map((point) => point.gap_loss ?? -Infinity);
  state.point = gaps.indexOf(Math.max(...gaps));
  $("width").value = points[state.point].width;
  $("dropout").value = points[state.point].dropout;
  chart("map", () => `plane_${state.shade}`, feedPlane);
  chart("point", "curves", feedPoint);
  charts.get("map").ready = (view) => {
    const touched = (event, item) => known(item?.datum?.index) && choosePoint(item.datum.index);
    view.addEventListener("pointerdown", (event, item) => {
      event.target.releasePointerCapture(event.pointerId); // else a finger stays on the point where it went down
      touched(event, item);
    });
    view.addEventListener("pointermove", (event, item) => event.buttons && touched(event, item));
    view.addEventListener("click", touched);
  };
  $("shade").addEventListener("change", (event) => { state.shade = event.target.value; redraw("map"); });
}

/** The point nearest to what was chosen; `fixed` is the axis that was touched. */
function nearest(width, dropout, fixed) {
  const far = ({ width: w, dropout: d }) =>
    Math.abs(Math.log2(w / width)) * (fixed === "width" ? 1e3 : 1) + Math.abs(d - dropout) * (fixed === "dropout" ? 1e4 : 10);
  const distances = data.plane.points.map(far);
  return distances.indexOf(Math.min(...distances));
}

// --- remedies
const EFFECTS = ["val_accuracy", "val_loss", "gap_loss"];
const sideBySide = window.matchMedia("(min-width: 62.01rem)"); // as .triple is in the style
function feedEffects(metric) {
  return () => {
    const rows = data.remedies.order.flatMap((name) => data.remedies.rows.filter((row) => row.name === name && row.metric === metric));
    const list = rows.filter((row) => row.at === "last").map((row) => `${row.name} ${signed(row.effect)} (${signed(row.low)}, ${signed(row.high)})`);
    const named = $(`effect-${metric}`).previousElementSibling.textContent;
    const alt = say("js.effects_alt", { metric: named, list: list.join("; ") });
    return { signals: {}, data: { rows }, height: 30 * new Set(rows.map((row) => row.name)).size, alt };
  };
}

function feedCompared() {
  const { variants } = data.remedies;
  const two = state.pair.map((name, i) => ({ ...variants[name], name, colour: colour(i) }));
  const last = Math.max(...two.map((one) => one.epochs.at(-1)));
  const ends = two.map((one) => ({ epoch: one.epochs.at(-1), value: one.val.at(-1), text: one.name }));
  const moment = [{ epoch: Math.min(state.epoch, last) }];
  const fed = lines("compared", two, { moment, ends, last, floor: 0, top: limit(Object.values(variants)) });
  fed.alt = say("js.compare_alt", { first: two[0].name, second: two[1].name, a: nats(two[0].val.at(-1)), b: nats(two[1].val.at(-1)) });
  fed.height = 280;
  return fed;
}

function startRemedies() {
  const named = (first) => () => (first || !sideBySide.matches ? "effects" : "effects_beside");
  EFFECTS.forEach((metric, i) => chart(`effect-${metric}`, named(i === 0), feedEffects(metric)));
  sideBySide.addEventListener("change", () => EFFECTS.slice(1).forEach((metric) => redraw(`effect-${metric}`)));
  const scale = data.charts.effects.layer[1].encoding.color.scale;
  const used = new Set(data.remedies.rows.map((row) => row.kind));
  scale.domain.forEach((kind, i) => {
    if (!used.has(kind)) return;
    const item = document.createElement("li");
    const swatch = document.createElement("i");
    swatch.style.background = scale.range[i];
    item.append(swatch, data.words[`effect.${kind.replace(" ", "_")}`]);
    $("effect-legend").append(item);
  });
  const names = Object.keys(data.remedies.variants);
  if (!names.length) return;
  const first = names.includes(data.remedies.baseline) ? data.remedies.baseline : names[0];
  const second = data.remedies.order.find((name) => names.includes(name) && name !== first) ?? names.at(-1);
  state.pair = [first, second];
  ["first", "second"].forEach((id, i) => {
    $(id).append(...names.map((name) => new Option(name)));
    $(id).value = state.pair[i];
    $(id).addEventListener("change", () => { state.pair[i] = $(id).value; refresh("compared"); });
  });
  chart("compared", "curves", feedCompared);
}

// --- images
let answers = null, sprites = null;
function startGallery() {
  const { gallery } = data;
  // Short addresses: a picture itself would stand, and be read, in the style of every tile.
  const address = ({ sprite }) => URL.createObjectURL(new Blob([bytes(sprite.split(",")[1])], { type: "image/webp" }));
  sprites = new Map([gallery, gallery.train].filter(known).map((sheet) => [sheet, address(sheet)]));
  answers = Object.fromEntries(Object.entries(gallery.models).map(([name, one]) =>
    [name, { seeds: one.seeds, wrong: bytes(one.wrong), said: bytes(one.said), sure: bytes(one.sure) }]));
  for (const id of ["true-class", "said-class"]) $(id).append(...gallery.classes.map((name, i) => new Option(name, i)));
  $("shown-set").addEventListener("input", () => { state.image = null; });
  for (const id of ["shown-set", "true-class", "said-class", "sure"]) $(id).addEventListener("input", showGallery);
  $("gallery").addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (tile) { state.image = Number(tile.dataset.image); showGallery(); }
  });
  $("gallery").addEventListener("keydown", (event) => {
    const step = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[event.key];
    const next = step && document.activeElement[step];
    if (next) { next.focus(); event.preventDefault(); }
  });
}

/** Whether an image counts as wrong: at least half of the seeds answer wrongly. */
const mostlyWrong = (wrong, seeds) => 2 * wrong >= seeds;

function imagesNow() {
  const count = data.gallery.true.length;
  const course = trained[state.model];
  const model = answers[course.name];
  if (!model) return null;
  const epochs = model.wrong.length / count;
  const place = Math.min(placeOf(course.epochs, state.epoch), epochs - 1);
  const at = (values, i, p = place) => values[p * count + i];
  return Array.from({ length: count }, (_, i) => {
    const course_ = Array.from({ length: epochs }, (_, p) => at(model.wrong, i, p));
    const learned = course_.findIndex((wrong) => !mostlyWrong(wrong, model.seeds));
    const forgot = learned >= 0 && learned < place && mostlyWrong(course_[place], model.seeds);
    return { i, true: data.gallery.true[i], said: at(model.said, i), sure: at(model.sure, i) / 255, wrong: at(model.wrong, i), seeds: model.seeds, forgot, course: course_, place };
  });
}

function background(i, size, sheet) {
  const { columns, width, height, true: labels } = sheet;
  const rows = Math.ceil(labels.length / columns);
  const factor = size / Math.max(width, height);
  const [left, top] = [(i % columns) * width * factor, Math.floor(i / columns) * height * factor];
  return {
    width: `${width * factor}px`, height: `${height * factor}px`, backgroundImage: `url(${sprites.get(sheet)})`,
    backgroundSize: `${columns * width * factor}px ${rows * height * factor}px`, backgroundPosition: `-${left}px -${top}px`,
  };
}

/** The train images of one mark, most telling first; they stand for no epoch. */
function showMarked(mark) {
  const { train } = data.gallery;
  const truth = $("true-class").value;
  const all = train.marks[mark].map((i) => ({ i, sheet: train, true: train.true[i], said: joined([markedNamed(i), factsOf(i)[mark]]) }));
  const shown = all.filter((one) => truth === "" || one.true === Number(truth));
  fill(shown);
  $("shown").textContent = say("js.marked", { shown: shown.length, total: train.total[mark] });
  const one = all.find((x) => x.i === state.image);
  if (!one) { choose(); return; }
  const large = part("div", "", "large");
  Object.assign(large.style, background(one.i, 196, train));
  $("chosen").replaceChildren(large, ...[markedNamed(one.i), ...Object.values(factsOf(one.i))].map((text) => part("p", text)));
}

/** What is known of a train image, by the mark that it belongs to. */
function factsOf(i) {
  const facts = data.gallery.train.facts[i];
  const share = (x) => percent(x, 0);
  const found = {};
  if (known(facts.memorised)) {
    const [value, low, high] = facts.memorised.map(share);
    found.memorised = say("js.memorised", { inside: share(facts.right_in), outside: share(facts.right_out), value, low, high });
  }
  if (facts.suggested) found.suspicious = say("js.suspected", { suspicion: share(facts.suspicion), suggested: facts.suggested });
  const copies = (facts.copies ?? []).map(([kind, name, split]) => say(`js.copy_${kind}`, { name, split: say(`js.of_${split}`) }));
  if (copies.length) found.copied = joined(copies);
  return found;
}

function markedNamed(i) {
  const { train, classes } = data.gallery;
  return say("js.train_image", { true: classes[train.true[i]], name: train.facts[i].name });
}

const part = (name, text, className = "") => Object.assign(document.createElement(name), { textContent: text, className });
const choose = (said = say("js.choose")) => $("chosen").replaceChildren(part("p", said, "note"));

function fill(shown) {
  const focused = document.activeElement?.dataset?.image;
  $("gallery").replaceChildren(...shown.map(tileOf));
  if (focused !== undefined) $("gallery").querySelector(`[data-image="${focused}"]`)?.focus();
}

function showGallery() {
  const mark = $("shown-set").value.match(/^train-(.*)/)?.[1];
  for (const id of ["of-answers", "images-lead"]) $(id).hidden = known(mark);
  if (mark) { showMarked(mark); return; }
  const all = imagesNow();
  if (!all) { $("gallery").replaceChildren(); $("chosen").replaceChildren(); $("shown").textContent = ""; return; }
  const [set, truth, said, sure] = ["shown-set", "true-class", "said-class", "sure"].map((id) => $(id).value);
  $("sure-now").textContent = `${sure}%`;
  const looked = set === "looked" ? new Set(data.gallery.maps[trained[state.model].name]?.rows) : null;
  const marked = set.startsWith("mark-") ? new Set(data.gallery.marks[set.slice(5)]) : null;
  const shown = all.filter((one) =>
    (set !== "wrong" || mostlyWrong(one.wrong, one.seeds)) && (set !== "forgotten" || one.forgot) && (!marked || marked.has(one.i)) && (!looked || looked.has(one.i)) &&
    (truth === "" || one.true === Number(truth)) && (said === "" || one.said === Number(said)) && 100 * one.sure >= Number(sure));
  shown.sort((a, b) => b.wrong - a.wrong || b.sure - a.sure || a.i - b.i);
  fill(shown.map((one) => ({ ...one, sheet: data.gallery, missed: mostlyWrong(one.wrong, one.seeds), said: imageSaid(one) })));
  const epoch = trained[state.model].epochs[all[0].place];
  const said_ = say("js.shown", { shown: shown.length, total: all.length, wrong: all.filter((one) => mostlyWrong(one.wrong, one.seeds)).length, epoch });
  $("shown").textContent = joined([said_, data.gallery.of > all.length ? say("js.of_all", { total: all.length, of: data.gallery.of }) : ""]);
  if (looked?.size === 0) choose(notLooked());
  else showChosen(all);
}

function imageSaid(one) {
  const names = data.gallery.classes;
  const values = { true: names[one.true], said: names[one.said], sure: percent(one.sure, 0), wrong: one.wrong, seeds: one.seeds };
  return say(one.wrong ? "js.image" : "js.image_right", values);
}

function tileOf(one) {
  const tile = document.createElement("button");
  tile.type = "button";
  tile.className = `tile${one.missed ? " wrong" : ""}${one.forgot ? " forgot" : ""}`;
  tile.dataset.image = one.i;
  tile.setAttribute("aria-label", one.said);
  tile.setAttribute("aria-pressed", String(one.i === state.image));
  tile.title = one.said;
  Object.assign(tile.style, background(one.i, 44, one.sheet), { boxSizing: "content-box" });
  return tile;
}

function showChosen(all) {
  const one = all[state.image ?? -1];
  if (!one) { choose(); return; }
  const large = part("div", "", "large");
  Object.assign(large.style, background(one.i, 196, data.gallery));
  const map = gradCam(one.i);
  if (map) large.append(map);
  const strip = part("div", "", "strip");
  strip.append(...one.course.map((wrong, place) => {
    const cell = document.createElement("span");
    cell.style.background = `color-mix(in srgb, #d9722e ${(100 * wrong) / one.seeds}%, #3b82d6)`;
    if (place === one.place) cell.style.outline = "2px solid currentColor";
    return cell;
  }));
  strip.setAttribute("aria-hidden", "true");
  $("chosen").replaceChildren(large, part("p", imageSaid(one)), part("p", say("js.image_course"), "note"), strip,
    part("p", map ? say("js.looked") : notLooked(), "note"));
}

/** Why there is no Grad-CAM: the model has none at all, or it has none of this image. */
function notLooked() {
  const explained = trained.map((one) => one.name).filter((name) => data.gallery.maps[name]);
  if (!explained.length || explained.includes(trained[state.model].name)) return say("js.not_looked");
  const list = new Intl.ListFormat(data.language, { type: "disjunction" });
  return say("js.not_looked_model", { models: list.format(explained).replaceAll("または", " または ") });
}

function gradCam(image) {
  const found = data.gallery.maps[trained[state.model].name];
  const row = found ? found.rows.indexOf(image) : -1;
  if (row < 0) return null;
  const size = found.height * found.width;
  const values = bytes(found.maps).subarray(row * size, (row + 1) * size);
  const canvas = Object.assign(document.createElement("canvas"), { width: found.width, height: found.height });
  const pixels = new ImageData(found.width, found.height);
  values.forEach((value, i) => pixels.data.set([255, 110, 20, value], 4 * i));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  canvas.style.imageRendering = "auto";
  return canvas;
}

// --- quiz
const quiz = { at: -1, right: 0, answered: false };
function feedQuiz(accuracy) {
  return () => {
    const one = data.quiz[quiz.at];
    if (!one) return null;
    const curves = accuracy ? { probe: one.probe_accuracy, val: one.val_accuracy } : { probe: one.probe, val: one.val };
    const series = { ...curves, epochs: one.epochs, name: "quiz", colour: colour(0) };
    const last = one.epochs.at(-1);
    const fitted = trained.every((course) => course.fitted === "running") ? "running" : "probe"; // as the curves above call it
    const ends = ["probe", "val"].map((split) => ({ epoch: last, value: curves[split].at(-1), text: folded(say(`js.${split === "probe" ? fitted : split}`)) })).filter((end) => known(end.value));
    const fed = lines(accuracy ? "quiz-accuracy" : "quiz-loss", [series], { ends, last, ...bounds([series], accuracy) });
    const lowest = Math.min(...one.val.filter(known));
    const values = { lowest: nats(lowest), epoch: one.epochs[one.val.indexOf(lowest)], val: nats(one.val.at(-1)) };
    fed.alt = say("js.quiz_alt", { ...values, probe: nats(one.probe.at(-1)), accuracy: percent(one.val_accuracy.at(-1)) });
    return fed;
  };
}

function ask(number) {
  Object.assign(quiz, { at: number, answered: false });
  $("quiz-play").hidden = false;
  $("quiz-start").hidden = true;
  $("quiz-number").textContent = say("js.question", { number: number + 1, total: data.quiz.length });
  $("quiz-said").textContent = "";
  $("quiz-next").hidden = true;
  for (const button of $("quiz-answers").children) { button.disabled = false; button.className = ""; }
  $("quiz-number").focus({ preventScroll: true });
  for (const id of ["quiz-loss", "quiz-accuracy"]) redraw(id);
}

function answered(choice) {
  if (quiz.at < 0 || quiz.answered) return;
  quiz.answered = true;
  const one = data.quiz[quiz.at];
  const buttons = [...$("quiz-answers").children];
  const right = choice === one.answer;
  quiz.right += right ? 1 : 0;
  for (const button of buttons) {
    button.disabled = true;
    button.className = button.dataset.answer === one.answer ? "right" : button.dataset.answer === choice ? "missed" : "";
  }
  const name = buttons.find((button) => button.dataset.answer === one.answer).lastChild.textContent.trim();
  const said = [right ? say("js.correct") : say("js.wrong", { answer: name }), one.reason, say("js.from", { title: one.title })];
  const last = quiz.at + 1 === data.quiz.length;
  if (last) said.push(say("js.score", { right: quiz.right, total: data.quiz.length }));
  $("quiz-said").textContent = joined(said);
  $("quiz-next").textContent = say(last ? "js.again" : "js.next");
  $("quiz-next").hidden = false;
  $("quiz-next").focus({ preventScroll: true });
}

function startQuiz() {
  chart("quiz-loss", "curves", feedQuiz(false));
  chart("quiz-accuracy", "curves", feedQuiz(true));
  $("quiz-start").addEventListener("click", () => { quiz.right = 0; ask(0); });
  $("quiz-next").addEventListener("click", () => {
    if (quiz.at + 1 === data.quiz.length) { quiz.right = 0; ask(0); } else ask(quiz.at + 1);
  });
  $("quiz-answers").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) answered(button.dataset.answer);
  });
  $("quiz").addEventListener("keydown", (event) => {
    const button = /^[1-5]$/.test(event.key) && $("quiz-answers").children[Number(event.key) - 1];
    if (button && quiz.at >= 0) { answered(button.dataset.answer); event.preventDefault(); }
  });
}

// --- the epoch and the model move everything
const MOVED = ["confusion", "calibration", "map", "point", "compared"];
function moved() {
  const last = Number($("epoch").max);
  $("epoch-now").textContent = say("js.epoch_of", { epoch: state.epoch, last });
  for (const id of [...trained.keys()].map((i) => `course-${i}`).concat(MOVED)) refresh(id);
  if (answers) showGallery();
}

function startEpoch() {
  const last = Math.max(...trained.map((one) => one.epochs.at(-1)), ...(data.plane?.epochs ?? []));
  $("epoch").max = last;
  state.epoch = last;
  $("epoch").value = last;
  $("epoch").addEventListener("input", () => { state.epoch = Number($("epoch").value); moved(); });
  $("model").addEventListener("change", () => {
    state.model = $("model").selectedIndex;
    for (const table of document.querySelectorAll(".classes")) table.hidden = table.dataset.model !== $("model").value;
    moved();
  });
  for (const radio of $("metric").querySelectorAll("input")) {
    radio.parentElement.hidden = !trained.some((one) => one.curves[radio.value].val.some(known));
  }
  $("metric").addEventListener("change", (event) => { state.metric = event.target.value; moved(); });
  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; $("play").textContent = $("play").dataset.play; };
  $("play").addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (state.epoch >= last) state.epoch = 0;
    $("play").textContent = $("play").dataset.pause;
    timer = setInterval(() => {
      state.epoch += 1;
      $("epoch").value = state.epoch;
      moved();
      if (state.epoch >= last) stop();
    }, 250);
  });
}

function swatches() {
  for (const one of document.querySelectorAll("[data-swatch]")) one.style.background = colourOf(one.dataset.swatch);
}

async function drawn(id) {
  await redraw(id);
  performance.mark(id);
  await new Promise((next) => setTimeout(next)); // shown before the next is drawn
}

async function start() {
  swatches();
  trained.forEach((_, index) => chart(`course-${index}`, "curves", feedCourse(index)));
  if (trained.length) {
    startEpoch();
    $("epoch-now").textContent = say("js.epoch_of", { epoch: state.epoch, last: $("epoch").max });
    await drawn("course-0"); // the first picture waits for nothing else
  }
  if (trained.length && $("now")) {
    chart("confusion", "confusion", feedConfusion);
    chart("calibration", "calibration", feedCalibration);
  }
  if (data.plane) startPlane();
  if (data.remedies) startRemedies();
  if (data.gallery) startGallery();
  if (data.quiz.length) startQuiz();
  if (answers) showGallery();
  for (const id of charts.keys()) if (!charts.get(id).view) await drawn(id);
  document.documentElement.dataset.drawn = "all";
}

window.addEventListener("beforeprint", () => {
  for (const [id, one] of charts) if (one.view && $(id).offsetParent) one.view.resize().run();
});
dark.addEventListener("change", () => { swatches(); for (const id of charts.keys()) redraw(id); });
start();
