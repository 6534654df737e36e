/* The law of skillscale, in posterior draws of one family. Functions, and what they compute, have the
   names that they have in Python: see law/equation.py, law/production.py, law/scores.py, law/design.py,
   forecasts/prediction.py, optima/deployment.py, optima/optimum.py, optima/identification.py and
   optima/regret.py. */
/* ---- Draws: arrays of (draw, column), a column being one number in all draws. ---- */

function unpack({ lower, step, levels }, nDraw) {
  const size = lower.length;
  const bytes = Uint8Array.from(atob(levels), (character) => character.charCodeAt(0));
  const read = new Uint16Array(bytes.buffer);
  return new Float64Array(nDraw * size).map((_, i) => lower[i % size] + step[i % size] * (read[i] ?? 0));
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

/* Of benchmark j, whose parameters in a draw stand at i. */
function expectedScore(predictor, { chance, room, asymmetry, pivot, stretch }, i, j) {
  return chance[j] - room[i] * Math.expm1(-asymmetry[i] * softplus(pivot[i] + stretch[i] * predictor));
}

/* Its derivative in the predictor, from the score. */
function slopeOfScore(score, predictor, { chance, room, asymmetry, pivot, stretch }, i, j) {
  const shortfall = 1 - (score - chance[j]) / room[i];
  return room[i] * asymmetry[i] * stretch[i] * shortfall * sigmoid(pivot[i] + stretch[i] * predictor);
}

const itemVariance = (mean, n) => (mean * (1 - mean)) / n + 1 / (12 * n * n);

const discrepancyVariance = (mean, slope, overdispersion, spread) =>
  overdispersion ** 2 * (mean * (1 - mean) + 0.01) + (spread * slope) ** 2;

/* ---- law/production.py: what size n and tokens d, as centred logs, add to a skill. Parameters of
   a skill stand in `b` from `i` on, one every `k`. ---- */

function linear(b, i, k, x) {
  let sum = 0;
  for (let m = 0; m < x.length; m++) sum += b[i + m * k] * x[m];
  return sum;
}

function twoTerm(b, i, k, [n, d]) {
  const [ofSize, ofTokens] = [b[i] / b[i + 2 * k], b[i + k] / b[i + 3 * k]];
  const weight = ofSize + ofTokens;
  const loss = (ofSize * Math.exp(-b[i + 2 * k] * n) + ofTokens * Math.exp(-b[i + 3 * k] * d)) / weight;
  return -weight * Math.log(loss);
}

const FORMS = {
  translog: { columns: (n, d) => [n, d, n * d], gain: linear },
  quadratic: { columns: (n, d) => [n, d, n * d, n * n, d * d], gain: linear },
  additive: { columns: (n, d) => [n, d, n * n, d * d], gain: linear },
  "two-term": { columns: (n, d) => [n, d], gain: twoTerm },
};

/* ---- The law of the family ---- */

class Law {
  constructor({ about, draws }) {
    Object.assign(this, about);
    for (const [name, packed] of Object.entries(draws)) this[name] = unpack(packed, this.nDraw);
    this.nSkill = this.skills.length;
    this.nBenchmark = this.benchmarks.length;
    Object.assign(this, FORMS[this.form]);
    const pivots = Array.from(this.asymmetry, (a) => pivotAndStretch(a, this.pivotLevel));
    this.pivot = Float64Array.from(pivots, ([pivot]) => pivot);
    this.stretch = Float64Array.from(pivots, ([, stretch]) => stretch);
    this.room = this.ceilingGap.map((gap, i) => (1 - gap) * (1 - this.chance[i % this.nBenchmark]));
  }

  /* What a production function is linear in: of centred logs of size, the first, and of tokens. */
  inputs({ nParams, nTokens }) {
    return this.columns(Math.log(nParams / this.referenceParams), Math.log(nTokens / this.referenceTokens));
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
      for (let k = 0; k < nSkill; k++)
        found[draw * nSkill + k] = linear(effects, draw * covariates.length * nSkill + k, nSkill, covariates);
    return found;
  }

  /* law/scores.py: a score given its family's others, `noise` standard deviations from its location. */
  given(mean, slope, noise, draw, i, at, j) {
    const { overdispersion, discrepancySpread, affinityOverdispersion, affinitySpread, tail } = this;
    const own = itemVariance(mean, this.nItems[j]) + discrepancyVariance(mean, slope, overdispersion[i], discrepancySpread[i]);
    const affinity = discrepancyVariance(mean, slope, affinityOverdispersion[i], affinitySpread[i]);
    const known = 1 + this.information[at];
    const inflation = (tail[draw] + this.mahalanobis[at]) / (tail[draw] + this.nOthers[j]);
    const location = mean + (Math.sqrt(affinity) * this.pull[at]) / known;
    return location + noise * Math.sqrt((own + affinity / known) * inflation);
  }

  /* forecasts/prediction.py: scores of a model of the family, sorted, per benchmark; and the mean of
     what is expected of it. */
  predict(model) {
    const { nDraw, nRow, nSkill, nBenchmark, nInput, nKnown } = this;
    const x = this.inputs(model);
    const expected = this.expected(model);
    const scores = this.benchmarks.map(() => new Float64Array(nDraw * nRow));
    const means = new Float64Array(nBenchmark);
    const skill = new Float64Array(nSkill);
    for (let draw = 0; draw < nDraw; draw++)
      for (let row = 0; row < nRow; row++) {
        const drawn = draw * nRow + row;
        for (let k = 0; k < nSkill; k++) {
          const [i, at] = [draw * nSkill + k, drawn * nSkill + k];
          const own = this.efficiency[at] + this.ownSlope[at] * x[0] + this.modelScale[i] * this.scatter[at];
          skill[k] = expected[i] + this.gain(this.slope, draw * nInput * nSkill + k, nSkill, x) + own;
        }
        for (let j = 0; j < nBenchmark; j++) {
          const i = draw * nBenchmark + j;
          const predictor = this.intercept[i] + linear(this.loading, i * nSkill, 1, skill);
          const mean = expectedScore(predictor, this, i, j);
          const slope = slopeOfScore(mean, predictor, this, i, j);
          const noise = this.noise[(draw * nKnown + this.known[j]) * nRow + row];
          const score = this.given(mean, slope, noise, draw, i, drawn * nBenchmark + j, j);
          scores[j][drawn] = Math.min(Math.max(score, 0), 1);
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

  /* How benchmark j reads the skills of an average model of the family: the criterion of optima. */
  reader(j, slope, expected) {
    const { nDraw, nSkill, nRow, nInput, nBenchmark, gain } = this;
    const [constant, ownSlope] = [new Float64Array(nDraw), new Float64Array(nDraw)];
    const along = new Float64Array(nDraw * nInput);
    for (let draw = 0; draw < nDraw; draw++) {
      constant[draw] = this.intercept[draw * nBenchmark + j];
      for (let k = 0; k < nSkill; k++) {
        const weight = this.loading[(draw * nBenchmark + j) * nSkill + k];
        const at = draw * nRow * nSkill + k;
        constant[draw] += weight * (expected[draw * nSkill + k] + this.efficiency[at]);
        ownSlope[draw] += weight * this.ownSlope[at];
        for (let m = 0; m < nInput; m++) along[draw * nInput + m] += weight * slope[(draw * nInput + m) * nSkill + k];
      }
    }
    if (gain === linear) return (draw, x) => constant[draw] + ownSlope[draw] * x[0] + linear(along, draw * nInput, 1, x);
    return (draw, x) => {
      let sum = constant[draw] + ownSlope[draw] * x[0];
      for (let k = 0; k < nSkill; k++) {
        const weight = this.loading[(draw * nBenchmark + j) * nSkill + k];
        if (weight !== 0) sum += weight * gain(slope, draw * nInput * nSkill + k, nSkill, x);
      }
      return sum;
    };
  }

  /* optima/optimum.py: the best size of every draw among those of a budget, and what limits it. */
  bestOnPath(read, path) {
    const choice = { nParams: [], nTokens: [], limit: [], value: [] };
    const [inputs, richer] = [1, this.moreTokens].map((times) =>
      path.nParams.map((nParams, i) => this.inputs({ nParams, nTokens: times * path.nTokens[i] })));
    for (let draw = 0; draw < this.nDraw; draw++) {
      let [best, most] = [0, -Infinity];
      for (let i = 0; i < this.grid; i++) {
        const value = read(draw, inputs[i]);
        if (value > most) [best, most] = [i, value];
      }
      const edge = best === 0 ? "lower" : best === this.grid - 1 ? "upper" : "none";
      choice.limit.push(edge === "none" && read(draw, richer[best]) <= most ? "harm" : edge);
      choice.nParams.push(path.nParams[best]);
      choice.nTokens.push(path.nTokens[best]);
      choice.value.push(most);
    }
    return { ...choice, nParams: Float64Array.from(choice.nParams), nTokens: Float64Array.from(choice.nTokens) };
  }

  /* Best sizes at a budget, what is to be said of them, and scores to be expected of any size. */
  optimum(j, model, deployment) {
    const path = this.path(deployment);
    if (!path) return null;
    const expected = this.expected(model);
    const read = this.reader(j, this.slope, expected);
    const scoreOf = (value, draw) => expectedScore(value, this, draw * this.nBenchmark + j, j);
    const scores = (nParams) => {
      const x = this.inputs({ nParams, nTokens: this.tokens(nParams, deployment) });
      return new Float64Array(this.nDraw).map((_, draw) => scoreOf(read(draw, x), draw));
    };
    const choice = this.bestOnPath(read, path);
    const prior = this.bestOnPath(this.reader(j, this.priorSlope, expected), path);
    const best = choice.value.map(scoreOf);
    return { path, scores, best, choice, prior, ...this.describeChoice(choice, prior) };
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
  regret({ path, best, scores }, nParams) {
    if (nParams < path.smallest || nParams > path.largest) return null;
    const lost = scores(nParams).map((score, draw) => Math.max(best[draw] - score, 0));
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
