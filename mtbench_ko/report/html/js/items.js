// What can be found: with a model chosen its questions, otherwise every answer of every model.
class Items {
  constructor(data) {
    this.data = data;
    this.answers = new Map();
    for (const answer of data.answers) {
      const key = `${answer.q}/${answer.m}`;
      if (!this.answers.has(key)) this.answers.set(key, []);
      this.answers.get(key).push(answer);
    }
    this.games = Map.groupBy ? Map.groupBy(data.games, (pair) => pair.q) : groupBy(data.games, (pair) => pair.q);
    this.texts = new Map();
  }

  /** The answers of model `m` to question `q`, one for each choice. */
  of(q, m) { return this.answers.get(`${q}/${m}`) ?? []; }

  /** The comparisons on question `q` that have model `a` in them, and `b` where it is given. */
  between(q, a, b) {
    return (this.games.get(q) ?? []).filter((pair) =>
      [pair.m1, pair.m2].includes(a) && (b < 0 || [pair.m1, pair.m2].includes(b)));
  }

  find(filters) {
    const { models, questions } = this.data;
    const chosen = models.indexOf(filters.a), beside = models.indexOf(filters.b);
    const words = filters.s.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    let total = 0;
    questions.forEach((question, q) => {
      for (const m of chosen >= 0 ? [chosen] : models.keys()) {
        if (chosen < 0 && !this.of(q, m).length) continue;
        total += 1;
        if (filters.cat && question.category !== filters.cat) continue;
        if (filters.flag && !this.flags(q, m, beside).has(filters.flag)) continue;
        if ((filters.min || filters.max) && !this.scores(q, m).some((score) =>
          score >= (filters.min || 1) && score <= (filters.max || 10))) continue;
        if (words.length && !words.every((word) => this.text(q, m, beside).includes(word))) continue;
        found.push({ q, m });
      }
    });
    return { found, total };
  }

  flags(q, m, beside) {
    const flags = new Set(this.data.questions[q].flaw ? ["flawed"] : []);
    for (const answer of this.of(q, m)) for (const turn of answer.turns) turn.flags.forEach((flag) => flags.add(flag));
    if (this.between(q, m, beside).some((pair) => pair.split)) flags.add("split");
    return flags;
  }

  /** Every score of model `m` on question `q`. */
  scores(q, m) {
    return this.of(q, m).flatMap((answer) => answer.turns.flatMap((turn) => turn.judged.map((row) => row.score)))
      .filter((score) => score != null);
  }

  /** All that is searched, in lower case. */
  text(q, m, beside) {
    const key = `${q}/${m}/${beside}`;
    if (!this.texts.has(key)) {
      const question = this.data.questions[q];
      const answers = [m, beside].flatMap((model) => this.of(q, model)).flatMap((answer) => answer.turns);
      const html = [
        String(question.id), ...question.turns,
        ...answers.flatMap((turn) => [turn.html ?? "", turn.thinking ?? "", ...turn.judged.map((row) => row.html)]),
        ...this.between(q, m, beside).flatMap((pair) => pair.games.map((game) => game.html)),
      ].join("\n");
      this.texts.set(key, plain(html).toLowerCase());
    }
    return this.texts.get(key);
  }
}

const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', nbsp: " ", "#39": "'" };
const plain = (html) =>
  html.replace(/<[^>]*>/g, " ").replace(/&(#39|\w+);/g, (all, name) => ENTITIES[name] ?? all);

function groupBy(rows, key) {
  const groups = new Map();
  for (const row of rows) groups.set(key(row), [...(groups.get(key(row)) ?? []), row]);
  return groups;
}
