// One question: both turns, one answer or two side by side, what the judge said of each and of both.
function showDetail(items, q, models) {
  const { data } = items;
  const question = data.questions[q];
  const detail = $("detail");
  detail.replaceChildren(
    h("div", { class: "bar" },
      h("div", {},
        h("h3", { id: "detail-title", tabindex: -1 }, t("question", { id: question.id })),
        h("span", { class: "badge" }, categoryName(question.category)),
        question.flaw && h("span", { class: "badge warn" }, t("flag_flawed")))),
    ...(question.flaw ? [h("p", { class: "note" }, `${t(`severity_${question.flaw.severity}`)}: ${question.flaw.reason}`)] : []),
    everyone(items, q, models),
    ...question.turns.map((asked, turn) => turnBlock(items, q, turn, asked, models)),
  );
}

function everyone(items, q, models) {
  const links = items.data.models.map((name, m) => {
    const turns = items.of(q, m).flatMap((answer) => answer.turns);
    const scores = turns.map((turn) => turn.judged.map((row) => (row.score == null ? "×" : scoreText(row.score))).join("/") || "–");
    const target = addressOf({ ...state, q: items.data.questions[q].id, ...(state.a ? { a: name } : { m: name }) });
    return h("li", {}, h("a", { href: target, "aria-current": models.includes(m) ? "true" : null }, name, h("b", {}, scores.join(" · ") || "–")));
  });
  return h("details", { open: items.data.models.length <= 8 },
    h("summary", {}, t("scores_here")), h("ul", { class: "everyone" }, links));
}

function turnBlock(items, q, turn, asked, models) {
  const question = items.data.questions[q];
  const pairs = models.length === 2
    ? items.between(q, ...models).filter((pair) => pair.turn === turn + 1)
    : [];
  return h("section", { class: "turn" },
    h("h4", {}, `${t(`turn_${turn + 1}`)} · ${t("user")}`),
    h("div", { class: "asked" }, prose(asked)),
    h("div", { class: "columns" }, models.map((m) => answerColumn(items, q, m, turn))),
    pairs.map((pair) => gamesBlock(items, pair)),
    question.reference?.[turn] && h("details", {},
      h("summary", {}, `${t("reference")} · ${items.data.source ? t(`source_${items.data.source}`) : t("not_recorded")}`),
      question.differs && h("p", { class: "note" }, t("reference_differs")),
      prose(question.reference[turn])));
}

function answerColumn(items, q, m, turn) {
  const answers = items.of(q, m);
  const cards = answers.map((answer) => {
    const name = items.data.models[m] + (answers.length > 1 ? ` · ${t("choice", { n: answer.choice + 1 })}` : "");
    return answerCard(name, answer.turns[turn]);
  });
  return h("div", {}, cards.length ? cards : answerCard(items.data.models[m], undefined));
}

function answerCard(name, turn) {
  const scores = turn?.judged.map((row) => row.score == null
    ? h("span", { class: "pill missing", title: row.reason }, t("no_verdict"))
    : h("span", { class: "pill" }, scoreText(row.score))) ?? [];
  return h("section", { class: "answer", "aria-label": name },
    h("header", {}, h("h5", {}, name), h("span", {}, scores.length ? scores : h("span", { class: "badge" }, t("no_judgment")))),
    turn && badges(turn),
    turn?.thinking && h("details", {},
      h("summary", {}, `${t("thinking")} · ${t(turn.cut ? "thinking_cut" : "characters", { n: numberText(turn.thinking_length) })}`),
      h("div", { class: "plain-text thought" }, turn.thinking)),
    turn?.failures.map((reason) => h("p", { class: "note" }, `${t("failed")}: ${reason}`)),
    turn?.html ? prose(turn.html) : h("p", { class: "note" }, t(turn?.html === "" ? "empty_answer" : "no_answer")),
    (turn?.judged ?? []).map((row) => h("details", {},
      h("summary", {}, `${t("judgment")} · ${row.judge}${row.reason ? ` · ${row.reason}` : ""}`), prose(row.html))));
}

function badges(turn) {
  const marks = turn.flags.map((flag) => h("span", { class: "badge warn" }, t(`flag_${flag}`)));
  if (turn.tokens) marks.push(h("span", { class: "badge" }, t("tokens", { n: numberText(turn.tokens) })));
  return marks.length ? h("p", {}, marks) : null;
}

function gamesBlock(items, pair) {
  const { models } = items.data;
  const said = (game) => (game.winner === "tie" ? t("tie") : game.winner === "error" ? t("no_verdict")
    : t("winner", { model: models[game.winner] }));
  return h("section", { class: "games" },
    h("h5", {}, t("both_orders"), " ", pair.split && h("span", { class: "badge warn" }, t("flag_split"))),
    h("div", { class: "columns" }, pair.games.map((game) => h("div", {},
      h("span", { class: "badge" }, t("shown_first", { model: models[game.first] })), h("b", {}, said(game)),
      h("details", {}, h("summary", {}, `${t("judgment")} · ${pair.judge}`), prose(game.html))))));
}
