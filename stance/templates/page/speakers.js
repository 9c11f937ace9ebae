// Who speaks, and what each of them accuses, denies and justifies.

const QUOTES_SHOWN = 20;

function showSpeakers(found, main) {
  const said = new Map();
  for (const claim of found.claims) {
    if (!said.has(claim.speaker)) said.set(claim.speaker, []);
    said.get(claim.speaker).push(claim);
  }
  const nameless = said.get(null) ?? [];
  said.delete(null);
  const all = [...said].sort((one, other) => other[1].length - one[1].length);
  if (!all.length) return void main.append(nothing());
  const most = all[0][1].length;
  const list = make("ol", { class: "people" });
  main.append(make("section", { class: "sheet", "aria-labelledby": "speakers-head" },
    make("h2", { id: "speakers-head" }, "Who speaks, and what they do"),
    make("p", { class: "aside" }, `${count(all.length, "speaker")}${all.length > 1 ? ", those with the most claims first" : ""}. `,
      nameless.length ? `${count(nameless.length, "claim has", "claims have")} no clear speaker and ${nameless.length === 1 ? "is" : "are"} not in this list.` : null),
    list));
  lazily(list, all, ([speaker, claims]) => make("li", {}, person(speaker, claims, most, all.length === 1)), 50);
}

function person(speaker, claims, most, open) {
  const details = make("details", { class: "person" },
    make("summary", {}, make("span", { class: "person-name" }, speakerOf(claims[0])), bar(claims, most),
      make("span", { class: "person-count" }, count(claims.length, "claim")), acts(claims)));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(make("div", { class: "person-body" },
      STANCES.map((stance) => does(stance, claims.filter((claim) => claim.stance === stance)))));
  });
  details.open = open;
  return details;
}

function does(stance, claims) {
  if (!claims.length) return null;
  const accused = ranked(tally(claims.map((claim) => claim.target).filter((target) => target !== null)));
  const list = make("ul", { class: "said" });
  fewAtFirst(list, claims, (claim) => make("li", {}, statement(claim)));
  return make("section", { class: stance.name },
    make("h3", {}, shape(stance), stance.name === "other" ? "Also says" : `${stance.does[0].toUpperCase()}${stance.does.slice(1)}`,
      make("span", { class: "aside" }, ` ${count(claims.length, "claim")}`)),
    accused.length ? make("p", { class: "accused-names" }, make("span", { class: "aside" }, "Whom: "), accused.slice(0, 12).flatMap(([target, times], i) =>
      [i ? ", " : null, name(target, 60), times > 1 ? ` (${number(times)})` : null])) : null,
    list);
}

function fewAtFirst(list, items, render) {
  list.append(...items.slice(0, QUOTES_SHOWN).map(render));
  if (items.length <= QUOTES_SHOWN) return;
  const button = make("button", { type: "button", onclick: () => {
    button.parentElement.remove();
    list.append(...items.slice(QUOTES_SHOWN).map(render));
    list.children[QUOTES_SHOWN].querySelector("a").focus();
  } }, `Show ${number(items.length - QUOTES_SHOWN)} more`);
  list.append(make("li", { class: "rest" }, button));
}

// A claim away from its article: its words, and where they stand.
function statement(claim) {
  return make("a", { href: address({ claim: claim.key }), class: "statement" },
    make("q", { dir: "auto", class: "words" }, clip(claim.content, 400)),
    make("span", { class: "byline" },
      claim.target === null ? null : ["against ", name(claim.target, 60), " · "],
      name(claim.article.title, 80), date(claim.article) ? ` · ${date(claim.article)}` : null, ` · ${percent(claim.sure)}`));
}
