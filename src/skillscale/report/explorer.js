/* The explorer: controls in, forecasts and best sizes out. What is computed is in law.js. */

/* ---- formatting.py ---- */

const UNITS = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];
const plain = (value, digits = 3) => String(Number(value.toPrecision(digits)));

function formatCount(value, digits = 3) {
  if (!Number.isFinite(value)) return "-";
  const rounded = Number(value.toPrecision(digits));
  const [size, unit] = UNITS.find(([size]) => rounded >= size) ?? [1, ""];
  return plain(rounded / size, digits) + unit;
}

const formatFlops = (value) => {
  const [mantissa, exponent] = value.toExponential(2).split("e+");
  return `${Number(mantissa)}e${exponent}`;
};
const formatPoints = (value) => (100 * value).toFixed(1).replace("-0.0", "0.0");
const formatPercent = (share) => `${Math.round(100 * share)} %`;
const formatProbability = (p) => (p < 0.01 ? "< 1 %" : p > 0.99 ? "> 99 %" : formatPercent(p));
const formatInterval = (lower, upper, write) => `${write(lower)} to ${write(upper)}`;

/* Both ends of an interval of best sizes, open where it runs into an edge of the search. */
function formatSizeInterval({ nParams: [, lower, upper], shares, path }) {
  const isAt = (end, edge) => Math.abs(end / edge - 1) < 1e-3;
  const below = shares.lower > 0 && isAt(lower, path.smallest) ? "< " : "";
  const above = shares.upper > 0 && isAt(upper, path.largest) ? "> " : "";
  if (lower === upper && (below || above)) return (below || above) + formatCount(lower);
  return `${below}${formatCount(lower)} to ${above}${formatCount(upper)}`;
}

/* ---- Drawing ---- */

function element(name, attributes = {}, ...children) {
  const isShape = name in SHAPES;
  const made = isShape ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
const SHAPES = { svg: 1, g: 1, path: 1, rect: 1, line: 1, circle: 1, text: 1, tspan: 1, title: 1 };
const PERCENTAGES = [95, 80, 50];
const MARKS = ["M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0", "M-4-4h8v8h-8z", "M0-5.5L5.5 0L0 5.5L-5.5 0z", "M0-5L5 4H-5z"];
const TICKS = [0, 25, 50, 75, 100];

const mark = (i, attributes = {}) => element("path", { d: MARKS[i % MARKS.length], class: "seen", ...attributes });
const ends = (sorted, percent) =>
  [0.5 - percent / 200, 0.5 + percent / 200].map((probability) => quantile(sorted, probability));

/* Intervals of a benchmark between 0 and 100 points, its median, and what was observed of it. */
function drawIntervals(sorted, chance, seen) {
  const at = (score) => `${(100 * score).toFixed(2)}%`;
  const svg = element("svg", { width: "100%", height: 26, "aria-hidden": "true" });
  for (const tick of TICKS)
    svg.append(element("line", { x1: `${tick}%`, x2: `${tick}%`, y1: 0, y2: 26, class: "grid" }));
  svg.append(element("line", { x1: at(chance), x2: at(chance), y1: 5, y2: 21, class: "chance" }));
  for (const percent of PERCENTAGES) {
    const [lower, upper] = ends(sorted, percent);
    svg.append(element("rect", { x: at(lower), y: 8, width: at(upper - lower), height: 10, class: `band-${percent}` }));
  }
  const median = at(quantile(sorted, 0.5));
  svg.append(element("line", { x1: median, x2: median, y1: 5, y2: 21, class: "median" }));
  seen.forEach(({ name, score }, i) => {
    if (score === null) return;
    const shape = mark(i, {});
    shape.append(element("title", {}, `${name}: ${formatPoints(score)}`));
    svg.append(element("svg", { x: at(score), y: 13, overflow: "visible" }, shape));
  });
  return svg;
}

/* Expected score against size at a budget, with bands, the best size and the size chosen. */
function drawIsoflop(found, title, interval, chosen, width) {
  const [height, left, right, top, bottom] = [320, 36, 24, 34, 60];
  const { path, curve, nParams: [median, lower, upper] } = found;
  const bands = PERCENTAGES.map((_, b) => curve.map((of) => of.ends[b]));
  const low = 10 * Math.floor(10 * Math.min(...bands[0].map(([lower]) => lower)));
  const high = Math.max(10 * Math.ceil(10 * Math.max(...bands[0].map(([, upper]) => upper))), low + 20);
  const [first, last] = [Math.log10(path.smallest), Math.log10(path.largest)];
  const x = (size) => left + ((Math.log10(size) - first) / (last - first)) * (width - left - right);
  const y = (score) => top + ((high - 100 * score) / (high - low)) * (height - top - bottom);
  const line = (points) => "M" + points.map(([size, score]) => `${x(size).toFixed(1)} ${y(score).toFixed(1)}`).join("L");
  const svg = element("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  for (let tick = low; tick <= high; tick += high - low > 40 ? 20 : 10) {
    svg.append(element("line", { x1: left, x2: width - right, y1: y(tick / 100), y2: y(tick / 100), class: "grid" }));
    svg.append(element("text", { x: left - 8, y: y(tick / 100) + 4, "text-anchor": "end" }, String(tick)));
  }
  svg.append(element("text", { x: 0, y: 12 }, `${title}, points`));
  for (const size of decadeTicks(path, width)) {
    svg.append(element("line", { x1: x(size), x2: x(size), y1: y(low / 100), y2: y(low / 100) + 5, class: "axis" }));
    const tick = element("text", { y: height - bottom + 19, "text-anchor": "middle" });
    tick.append(element("tspan", { x: x(size) }, formatCount(size)));
    tick.append(element("tspan", { x: x(size), dy: 15, class: "second" }, formatCount(found.tokensAt(size), 2)));
    svg.append(tick);
  }
  svg.append(element("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle", class: "title" },
    "active parameters, and tokens that the budget leaves"));
  bands.forEach((band, b) => {
    const points = [...band.map(([lower], i) => [curve[i].size, lower]),
      ...band.map(([, upper], i) => [curve[i].size, upper]).reverse()];
    svg.append(element("path", { d: line(points) + "Z", class: `band-${PERCENTAGES[b]}` }));
  });
  svg.append(element("path", { d: line(curve.map(({ size, median }) => [size, median])), class: "curve" }));
  svg.append(element("line", { x1: left, x2: width - right, y1: y(low / 100), y2: y(low / 100), class: "axis" }));
  const foot = y(low / 100) - 7;
  svg.append(element("line", { x1: x(lower), x2: x(upper), y1: foot, y2: foot, class: "best" }));
  if (Number.isFinite(median)) svg.append(element("circle", { cx: x(median), cy: foot, r: 5, class: "best" }));
  if (chosen >= path.smallest && chosen <= path.largest) {
    svg.append(element("line", { x1: x(chosen), x2: x(chosen), y1: top, y2: y(low / 100), class: "chosen" }));
    const anchor = x(chosen) > width - 60 ? "end" : x(chosen) < left + 40 ? "start" : "middle";
    svg.append(element("text", { x: x(chosen), y: top - 8, "text-anchor": anchor, class: "chosen" }, formatCount(chosen)));
  }
  const middle = Math.min(Math.max((x(lower) + x(upper)) / 2, left + 55), width - right - 55);
  svg.append(element("text", { x: middle, y: foot - 10, "text-anchor": "middle", class: "best" }, `best size, ${interval}`));
  return svg;
}

/* Quantiles of expected scores at every fourth size. */
function curveOf({ path, scores }) {
  return path.nParams.filter((_, i) => i % 4 === 0).map((size) => {
    const sorted = scores(size).sort();
    return { size, median: quantile(sorted, 0.5), ends: PERCENTAGES.map((percent) => ends(sorted, percent)) };
  });
}

function decadeTicks({ smallest, largest }, width) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(smallest)); power <= Math.log10(largest); power++)
    for (const mantissa of width > 560 ? [1, 3] : [1]) ticks.push(mantissa * 10 ** power);
  return ticks.filter((size) => size >= smallest && size <= largest);
}

/* ---- Controls ---- */

function explore(root, { page, ...data }) {
  const law = new Law(data);
  const named = new Map(Array.from(root.querySelectorAll("[data-name]"), (of) => [of.dataset.name, of]));
  const find = (name) => named.get(name);
  const ladders = { size: page.sizes, tokens: page.tokens, release: page.releases, budget: page.budgets, served: page.served };
  const written = {
    size: formatCount,
    tokens: formatCount,
    release: String,
    budget: (flops) => `${formatFlops(flops)} FLOP`,
    served: (tokens) => (tokens ? formatCount(tokens) : "none"),
  };
  const value = (name) => ladders[name][Number(find(name).value)];
  const move = (name, to) => {
    const distance = (of) => (name === "release" ? Number(of !== to) : Math.abs(Math.log(of / to)));
    const distances = ladders[name].map(distance);
    find(name).value = distances.indexOf(Math.min(...distances));
  };

  function model() {
    const [year, month] = value("release").split("-").map(Number);
    return {
      nParams: value("size"),
      nTokens: value("tokens"),
      releaseYear: year + (month - 0.5) / 12,
      isInstruct: Number(find("instruct").checked),
    };
  }

  /* forecasts/distance.py */
  function outside({ nParams, nTokens, releaseYear }) {
    const said = [["parameters", nParams, formatCount], ["tokens", nTokens, formatCount],
      ["tokens per parameter", nTokens / nParams, (ratio) => plain(ratio)]].flatMap(([what, value, write]) => {
      const [low, high] = page.fitted[what];
      const times = Math.max(value / high, low / value);
      if (!(times > page.tolerance)) return [];
      const relation = value > high ? `${plain(times, 2)} times the largest` : `1/${plain(times, 2)} of the smallest`;
      return `${write(value)} ${what}, ${relation} of the fit (${write(value > high ? high : low)})`;
    });
    const months = Math.round(12 * (releaseYear - page.fitted.release));
    return months > page.months ? [...said, `a release ${months} months after the last model of the fit`] : said;
  }

  function showForecast() {
    const { scores } = law.predict(model());
    const far = outside(model());
    find("outside").textContent = far.length ? `Beyond the data: ${far.join("; ")}.` : "";
    scores.forEach((sorted, j) => {
      const row = find("forecast").rows[j];
      const seen = page.seen.map(({ name, scores }) => ({ name, score: scores[j] }));
      row.cells[1].replaceChildren(drawIntervals(sorted, law.chance[j], seen));
      row.cells[2].textContent = formatPoints(quantile(sorted, 0.5));
      [50, 80, 95].forEach((percent, i) => {
        row.cells[3 + i].textContent = formatInterval(...ends(sorted, percent), formatPoints);
      });
    });
  }

  let width = find("isoflop").clientWidth;
  let last = { key: null, found: null };
  function showOptimum() {
    const deployment = { flops: value("budget"), serveTokens: value("served") };
    const { isInstruct, releaseYear, nParams } = model();
    const [name, j] = [find("objective").selectedOptions[0].dataset.label, Number(find("objective").value)];
    const key = [deployment.flops, deployment.serveTokens, isInstruct, releaseYear, j].join();
    if (key !== last.key) {
      const found = law.optimum(j, model(), deployment);
      last = { key, found: found && { ...found, curve: curveOf(found), tokensAt: (size) => law.tokens(size, deployment) } };
    }
    const { found } = last;
    const at = `${name} at ${formatFlops(deployment.flops)} FLOP`;
    find("isoflop").hidden = find("facts").hidden = !found;
    if (!found) {
      find("answer").textContent = `${at}: the budget leaves no size searched between ${formatCount(law.minTokens)} and ${formatCount(law.mostTokens)} tokens.`;
      return;
    }
    const percent = formatPercent(law.interval);
    const limit = found.limit && `, ${found.limit}`;
    const [size] = found.nParams;
    const known = `best at ${formatCount(size)} parameters and ${formatCount(found.nTokens[0])} tokens`;
    find("answer").textContent = `${at}: ${Number.isFinite(size) ? known : "no best size is known"}. Verdict: ${found.verdict}${limit}.`;
    const facts = {
      "best-size": formatCount(size),
      "best-size-interval": formatSizeInterval(found),
      "best-tokens": formatCount(found.nTokens[0]),
      "per-param": formatCount(found.tokensPerParam[0], 2),
      inside: formatProbability(found.shares.none),
      narrowed: formatPercent(found.narrowing),
      ...regretFacts(found, nParams, deployment),
    };
    for (const [fact, text] of Object.entries(facts)) find(fact).textContent = text;
    find("interval").textContent = `Best size, ${percent} interval`;
    find("isoflop").replaceChildren(drawIsoflop(found, law.benchmarks[j], percent, nParams, Math.max(width, 280)));
  }

  function regretFacts(found, nParams, deployment) {
    const lost = law.regret(found, nParams);
    const left = Math.max(law.tokens(nParams, deployment), 0);
    return {
      "at-size": `Lost at ${formatCount(nParams)} and ${formatCount(left)} tokens`,
      lost: lost ? `${formatPoints(lost[0])} points` : "-",
      "lost-interval": lost ? formatInterval(lost[1], lost[2], formatPoints) : "outside the sizes searched",
    };
  }

  function show(isModel = true) {
    for (const name of Object.keys(ladders)) {
      const text = written[name](value(name));
      find(`${name}-value`).textContent = text;
      find(name).setAttribute("aria-valuetext", text);
    }
    if (isModel) showForecast();
    showOptimum();
  }

  root.addEventListener("input", ({ target }) => show(["size", "tokens", "release", "base", "instruct"].includes(target.dataset.name)));
  root.querySelectorAll("[data-planned]").forEach((button) =>
    button.addEventListener("click", () => {
      const planned = page.planned[Number(button.dataset.planned)];
      for (const name of ["size", "tokens", "release"]) move(name, planned[name]);
      find(planned.tuning).checked = true;
      show();
    }));
  find("budget-action").addEventListener("click", () => {
    const { nParams, nTokens } = model();
    move("budget", nParams * (law.trainingFlops * nTokens + law.servingFlops * value("served")));
    show(false);
  });
  root.querySelectorAll("[data-mark]").forEach((cell) =>
    cell.replaceChildren(element("svg", { width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true" }, mark(Number(cell.dataset.mark)))));
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width === width || contentRect.width === 0) return;
    width = contentRect.width;
    showOptimum();
  }).observe(find("isoflop"));
  show();
  root.explorer = { law, quantile };
}
