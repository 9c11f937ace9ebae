// Who accuses whom: a graph to see it, a matrix to read it. An accusation beside another act counts too.

const PAIRS_DRAWN = 36, ROWS_SHOWN = 25, COLUMNS_SHOWN = 18;

function showAccusations(found, main) {
  const accusing = found.claims.filter((claim) => claim.stance.name === "accusation" || claim.second?.name === "accusation");
  const known = accusing.filter((claim) => claim.speaker !== null && claim.target !== null);
  if (!known.length) {
    main.append(make("p", { class: "nothing" }, accusing.length
      ? "No accusation here has both a speaker and an accused whose names are sure. " : "There is no accusation here. ",
      make("a", { href: address(NO_FILTERS) }, "Clear the filters")));
    return;
  }
  const pairs = new Map();
  for (const { speaker, target } of known) {
    const key = JSON.stringify([speaker, target]);
    pairs.set(key, { speaker, target, times: (pairs.get(key)?.times ?? 0) + 1 });
  }
  const all = [...pairs.values()].sort((one, other) => other.times - one.times);
  const drawn = all.filter((pair) => pair.speaker !== pair.target).slice(0, PAIRS_DRAWN);
  main.append(make("section", { class: "sheet", "aria-labelledby": "accuse-head" },
    make("h2", { id: "accuse-head" }, "Who accuses whom"),
    make("p", { class: "aside" },
      `${count(known.length, "accusation")} in ${count(all.length, "pair")} with sure names on both sides, `
      + `of ${count(accusing.length, "accusation")} in all. An arrow goes from who accuses to who is accused; the more often, the thicker. `
      + "Choose a name to see its claims.",
      drawn.length < all.length ? ` Drawn are the ${number(drawn.length)} most frequent pairs; narrow with the filters to see others.` : null),
    graph(drawn)), matrix(known));
}

function matrix(known) {
  const rows = ranked(tally(known.map((claim) => claim.speaker))).slice(0, ROWS_SHOWN);
  const place = new Map(rows.map(([speaker], i) => [speaker, i]));
  const inside = known.filter((claim) => place.has(claim.speaker));
  const totals = ranked(tally(inside.map((claim) => claim.target))).slice(0, COLUMNS_SHOWN);
  const first = (target) => Math.min(...inside.filter((claim) => claim.target === target).map((claim) => place.get(claim.speaker)));
  const columns = totals.map(([target, times]) => ({ target, times, first: first(target) })).sort((a, b) => a.first - b.first || b.times - a.times);
  const counts = tally(inside.map((claim) => JSON.stringify([claim.speaker, claim.target])));
  const most = Math.max(...counts.values());
  const cell = (speaker, target) => {
    const times = counts.get(JSON.stringify([speaker, target]));
    if (!times) return make("td");
    const label = `${clip(speaker, 60)} accuses ${clip(target, 60)}: ${count(times, "time")}`;
    return make("td", { class: "some", "--share": `${15 + (45 * times) / most}%` },
      make("a", { href: address({ speaker, target, view: "speakers" }), "aria-label": label, title: label }, number(times)));
  };
  const accusers = new Set(known.map((claim) => claim.speaker)).size, accused = new Set(known.map((claim) => claim.target)).size;
  const part = rows.length < accusers || columns.length < accused;
  return make("section", { class: "sheet", "aria-labelledby": "matrix-head" },
    make("h2", { id: "matrix-head" }, "The same as a table"),
    make("p", { class: "aside", id: "matrix-words" }, "Who accuses stands on the left, who is accused above; the number is how often.",
      part ? ` The ${number(rows.length)} of ${number(accusers)} who accuse most, and ${number(columns.length)} of ${number(accused)} accused.` : null),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "matrix-head" },
      make("table", { class: "matrix", "aria-describedby": "matrix-words" },
        make("thead", {}, make("tr", {}, make("td"), columns.map(({ target }) =>
          make("th", { scope: "col" }, make("span", {}, name(target, 32)))), make("th", { scope: "col", class: "total" }, make("span", {}, "in all")))),
        make("tbody", {}, rows.map(([speaker, times]) => make("tr", {},
          make("th", { scope: "row" }, name(speaker, 40)), columns.map(({ target }) => cell(speaker, target)),
          make("td", { class: "total" }, number(times))))))));
}
