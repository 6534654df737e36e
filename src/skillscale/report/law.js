/* The law of skillscale, in posterior draws of one family. Functions, and what they compute, have the
   names that they have in Python: see law/equation.py, law/production.py, law/scores.py, law/design.py,
   forecasts/prediction.py, optima/deployment.py, optima/optimum.py, optima/identification.py and
   optima/regret.py. */
/* ---- Draws: arrays of (draw, column), a column being one number in all draws. ---- */

function unpack({ lower, step, levels }, nDraw) {
  const size = lower.length;
  const bytes = Uint8Array.from(atob(levels), (character) => character.charCodeAt(0));
  const read = new Uint16Array(bytes.buffer);
  const level = read.length ? (i) => read[i] : () => 0;
  return Float64Array.from({ length: nDraw * size }, (_, i) => lower[i % size] + step[i % size] * level(i));
}

/* ---- law/equation.py ---- */

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const softplus = (x) => (x > 30 ? x : Math.log1p(Math.exp(x)));

/* Where the link is at the pivot level, and the stretch that gives it the logistic's slope. */
function pivotAndStretch(asymmetry, level) {
  const logOddsPlusOne = -Math.log1p(-level) / asymmetry;
  const share = -Math.expm1(-logOddsPlusOne);
  return [logOddsPlusOne + Math.log(share), level / (asymmetry * share)];
}

function expectedScoreAndSlope(predictor, { chance, room, asymmetry, pivot, stretch }, i, j) {
  const at = pivot[i] + stretch[i] * predictor;
  const logShortfall = -asymmetry[i] * softplus(at);
  const slope = room[i] * asymmetry[i] * stretch[i] * Math.exp(logShortfall) * sigmoid(at);
  return [chance[j] - room[i] * Math.expm1(logShortfall), slope];
}

const itemVariance = (mean, n) => (mean * (1 - mean)) / n + 1 / (12 * n * n);

const discrepancyVariance = (mean, slope, overdispersion, spread) =>
  overdispersion ** 2 * (mean * (1 - mean) + 0.01) + (spread * slope) ** 2;

/* ---- law/production.py: what size n and tokens d, as centred logs, add to a skill. Parameters of
   a skill stand in `b` from `i` on, one every `k`. ---- */

const FORMS = {
  translog: (b, i, k, n, d) => b[i] * n + b[i + k] * d + b[i + 2 * k] * n * d,
  quadratic: (b, i, k, n, d) =>
    b[i] * n + b[i + k] * d + b[i + 2 * k] * n * d + b[i + 3 * k] * n * n + b[i + 4 * k] * d * d,
  additive: (b, i, k, n, d) => b[i] * n + b[i + k] * d + b[i + 2 * k] * n * n + b[i + 3 * k] * d * d,
  "two-term": (b, i, k, n, d) => {
    const [ofSize, ofTokens] = [b[i] / b[i + 2 * k], b[i + k] / b[i + 3 * k]];
    const weight = ofSize + ofTokens;
    const loss = (ofSize * Math.exp(-b[i + 2 * k] * n) + ofTokens * Math.exp(-b[i + 3 * k] * d)) / weight;
    return -weight * Math.log(loss);
  },
};

/* ---- The law of the family ---- */

class Law {
  constructor({ about, draws }) {
    Object.assign(this, about);
    for (const [name, packed] of Object.entries(draws)) this[name] = unpack(packed, this.nDraw);
    this.nSkill = this.skills.length;
    this.nBenchmark = this.benchmarks.length;
    this.gain = FORMS[this.form];
    const pivots = Array.from(this.asymmetry, (a) => pivotAndStretch(a, this.pivotLevel));
    this.pivot = Float64Array.from(pivots, ([pivot]) => pivot);
    this.stretch = Float64Array.from(pivots, ([, stretch]) => stretch);
    this.room = this.ceilingGap.map((gap, i) => (1 - gap) * (1 - this.chance[i % this.nBenchmark]));
  }

  logs({ nParams, nTokens }) {
    return [Math.log(nParams / this.referenceParams), Math.log(nTokens / this.referenceTokens)];
  }

  /* law/design.py: tuning, years, and the shares of the periods of the trend that have passed. */
  covariates({ isInstruct, releaseYear }) {
    const share = (from) => Math.min(Math.max(from / this.period, 0), 1);
    const passed = this.periods.map((begin) => share(releaseYear - begin) - share(this.referenceYear - begin));
    const years = releaseYear - this.referenceYear;
    const ofTuned = (x) => isInstruct * x;
    return [isInstruct, years, ofTuned(years), ...passed, ...passed.map(ofTuned)];
  }

  /* Skills at the references that the law expects of a family of this tuning and date. */
  expected(model) {
    const { nDraw, nSkill, effects } = this;
    const covariates = this.covariates(model);
    const found = new Float64Array(nDraw * nSkill);
    for (let draw = 0; draw < nDraw; draw++)
      covariates.forEach((x, c) => {
        const at = (draw * covariates.length + c) * nSkill;
        for (let k = 0; k < nSkill; k++) found[draw * nSkill + k] += x * effects[at + k];
      });
    return found;
  }

  predictor(skill, draw, j) {
    const i = draw * this.nBenchmark + j;
    let sum = this.intercept[i];
    for (let k = 0; k < this.nSkill; k++) sum += this.loading[i * this.nSkill + k] * skill[k];
    return sum;
  }

  /* law/scores.py: location and scale of a score, given what the family's other scores say. */
  given(predictor, draw, row, j) {
    const i = draw * this.nBenchmark + j;
    const at = (draw * this.nRow + row) * this.nBenchmark + j;
    const [mean, slope] = expectedScoreAndSlope(predictor, this, i, j);
    const unexplained = (phi, psi) => discrepancyVariance(mean, slope, phi[i], psi[i]);
    const own = itemVariance(mean, this.nItems[j]) + unexplained(this.overdispersion, this.discrepancySpread);
    const affinity = Math.sqrt(unexplained(this.affinityOverdispersion, this.affinitySpread));
    const known = 1 + this.information[at];
    const inflation = (this.tail[draw] + this.mahalanobis[at]) / (this.tail[draw] + this.nOthers[j]);
    return {
      mean,
      location: mean + (affinity * this.pull[at]) / known,
      scale: Math.sqrt((own + affinity ** 2 / known) * inflation),
    };
  }

  /* forecasts/prediction.py: scores of a model of the family, sorted, per benchmark, and the mean of
     what is expected of it. */
  predict(model) {
    const { nDraw, nRow, nSkill, nBenchmark } = this;
    const [n, d] = this.logs(model);
    const expected = this.expected(model);
    const scores = this.benchmarks.map(() => new Float64Array(nDraw * nRow));
    const means = new Float64Array(nBenchmark);
    const skill = new Float64Array(nSkill);
    for (let draw = 0; draw < nDraw; draw++)
      for (let row = 0; row < nRow; row++) {
        for (let k = 0; k < nSkill; k++) {
          const [i, at] = [draw * nSkill + k, (draw * nRow + row) * nSkill + k];
          const gained = this.gain(this.slope, draw * this.nInput * nSkill + k, nSkill, n, d);
          const own = this.efficiency[at] + this.ownSlope[at] * n + this.modelScale[i] * this.scatter[at];
          skill[k] = expected[i] + gained + own;
        }
        for (let j = 0; j < nBenchmark; j++) {
          const { mean, location, scale } = this.given(this.predictor(skill, draw, j), draw, row, j);
          const noise = this.noise[(draw * this.nKnown + this.known[j]) * nRow + row];
          scores[j][draw * nRow + row] = Math.min(Math.max(location + scale * noise, 0), 1);
          means[j] += mean / (nDraw * nRow);
        }
      }
    for (const of of scores) of.sort();
    return { scores, means };
  }

  /* optima/deployment.py: sizes that a budget allows, each with all the tokens that it leaves. */
  path({ flops, serveTokens }) {
    const cost = (nTokens) => this.trainingFlops * nTokens + this.servingFlops * serveTokens;
    const smallest = Math.max(this.minParams, flops / cost(this.mostTokens));
    const largest = Math.min(this.mostParams, flops / cost(this.minTokens));
    if (!(smallest < largest)) return null;
    const ratio = Math.log(largest / smallest) / (this.grid - 1);
    const nParams = Array.from({ length: this.grid }, (_, i) => smallest * Math.exp(i * ratio));
    const nTokens = nParams.map((size) => this.tokens(size, { flops, serveTokens }));
    return { nParams, nTokens, smallest, largest };
  }

  tokens(nParams, { flops, serveTokens }) {
    return (flops / nParams - this.servingFlops * serveTokens) / this.trainingFlops;
  }

  /* How a benchmark reads the skills of the family's average model: the criterion of optima. */
  reader(j, slope, expected) {
    const { nSkill, nRow, nInput, loading, efficiency, ownSlope } = this;
    return (draw, n, d) => {
      const i = draw * this.nBenchmark + j;
      let sum = this.intercept[i];
      for (let k = 0; k < nSkill; k++) {
        const weight = loading[i * nSkill + k];
        if (weight === 0) continue;
        const at = draw * nRow * nSkill + k;
        const gained = this.gain(slope, draw * nInput * nSkill + k, nSkill, n, d);
        sum += weight * (expected[draw * nSkill + k] + efficiency[at] + gained + ownSlope[at] * n);
      }
      return sum;
    };
  }

  /* optima/optimum.py: the best size of every draw among those of a budget, and what limits it. */
  bestOnPath(read, path, keep = () => {}) {
    const logs = path.nParams.map((nParams, i) => this.logs({ nParams, nTokens: path.nTokens[i] }));
    const choice = { nParams: new Float64Array(this.nDraw), nTokens: new Float64Array(this.nDraw), limit: [] };
    for (let draw = 0; draw < this.nDraw; draw++) {
      let [best, most] = [0, -Infinity];
      for (let i = 0; i < this.grid; i++) {
        const value = read(draw, logs[i][0], logs[i][1]);
        keep(draw, i, value);
        if (value > most) [best, most] = [i, value];
      }
      const [n, d] = logs[best];
      const isHarmed = read(draw, n, d + Math.log(this.moreTokens)) <= most;
      const edge = best === 0 ? "lower" : best === this.grid - 1 ? "upper" : "none";
      choice.limit.push(edge === "none" && isHarmed ? "harm" : edge);
      choice.nParams[draw] = path.nParams[best];
      choice.nTokens[draw] = path.nTokens[best];
    }
    return choice;
  }

  /* Expected scores along a budget, the best sizes, and what is to be said of them. */
  optimum(j, model, deployment) {
    const path = this.path(deployment);
    if (!path) return null;
    const expected = this.expected(model);
    const read = this.reader(j, this.slope, expected);
    const score = Array.from(path.nParams, () => new Float64Array(this.nDraw));
    const best = new Float64Array(this.nDraw);
    const scoreOf = (value, draw) => expectedScoreAndSlope(value, this, draw * this.nBenchmark + j, j)[0];
    const choice = this.bestOnPath(read, path, (draw, i, value) => {
      score[i][draw] = scoreOf(value, draw);
      best[draw] = Math.max(best[draw], score[i][draw]);
    });
    const prior = this.bestOnPath(this.reader(j, this.priorSlope, expected), path);
    const scoreAt = (nParams, draw) =>
      scoreOf(read(draw, ...this.logs({ nParams, nTokens: this.tokens(nParams, deployment) })), draw);
    return { path, score, best, scoreAt, choice, prior, ...this.describeChoice(choice, prior) };
  }

  /* optima/identification.py */
  describeChoice(choice, prior) {
    const share = (limit) => choice.limit.filter((of) => of === limit).length / this.nDraw;
    const shares = { none: share("none"), lower: share("lower"), upper: share("upper"), harm: share("harm") };
    const within = shares.none;
    const [tailBelow, tailAbove] = [(1 - this.interval) / 2, (1 + this.interval) / 2];
    const ofKnown = (values) => values.filter((_, draw) => choice.limit[draw] === "none");
    const ends = (values, rounding) => {
      const sorted = values.slice().sort();
      const median = within < this.sure ? NaN : quantile(ofKnown(values).sort(), 0.5, rounding);
      return [median, quantile(sorted, tailBelow, rounding), quantile(sorted, tailAbove, rounding)];
    };
    const width = (values) => {
      const sorted = values.map(Math.log).sort();
      return quantile(sorted, tailAbove) - quantile(sorted, tailBelow);
    };
    const [size, lower, upper] = ends(choice.nParams, Math.floor);
    const ratio = choice.nTokens.map((tokens, draw) => tokens / choice.nParams[draw]);
    const narrowed = 1 - width(choice.nParams) / width(prior.nParams);
    const isNarrow = upper <= this.factor * size && size <= this.factor * lower;
    return {
      nParams: [size, lower, upper],
      nTokens: ends(choice.nTokens, Math.ceil),
      tokensPerParam: ends(ratio, Math.ceil),
      shares,
      narrowing: narrowed,
      limit: this.limitOf(shares),
      verdict: this.verdict(within, isNarrow, narrowed),
    };
  }

  verdict(within, isNarrow, narrowed) {
    if (within >= this.sure) return isNarrow ? this.verdicts.identified : this.verdicts.weak;
    return within >= this.likely && narrowed >= this.narrowed ? this.verdicts.weak : this.verdicts.not;
  }

  limitOf(shares) {
    const largest = ["lower", "upper", "harm"].reduce((a, b) => (shares[b] > shares[a] ? b : a));
    if (shares[largest] < this.likely) return "";
    return (shares[largest] >= this.sure ? "" : "probably ") + this.limits[largest];
  }

  /* optima/regret.py: points that a size loses to the best of the same budget: mean and ends. */
  regret({ path, best, scoreAt }, nParams) {
    if (nParams < path.smallest || nParams > path.largest) return null;
    const lost = best.map((most, draw) => Math.max(most - scoreAt(nParams, draw), 0));
    const mean = lost.reduce((sum, value) => sum + value, 0) / lost.length;
    lost.sort();
    return [mean, ...[(1 - this.interval) / 2, (1 + this.interval) / 2].map((p) => quantile(lost, p, Math.floor))];
  }
}

/* Of sorted values; `rounding` takes one of them where the quantile lies between two. */
function quantile(sorted, probability, rounding = null) {
  const at = probability * (sorted.length - 1);
  if (rounding) return sorted[rounding(+at.toFixed(9))];
  const [below, share] = [Math.floor(at), at - Math.floor(at)];
  return share ? sorted[below] * (1 - share) + sorted[below + 1] * share : sorted[below];
}
