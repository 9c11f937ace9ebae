// The articles: a list, and one of them to read, with its quotes marked in the text and who says them beside it.

const PARAGRAPHS = 80;

function showArticles(found, main, moved) {
  const open = articleById.get(state.article) ?? found.articles[0];
  main.append(make("div", { class: `library ${state.article ? "reading" : ""}` },
    listOfArticles(found, open), open ? reader(open, found) : nothing()));
  const current = main.querySelector("[aria-current=true]");
  if (current) current.closest(".list").scrollTop = current.offsetTop - 120;
  const claim = claimByKey.get(state.claim);
  pointed = claim ?? null;
  if (claim) point(claim);
  else if (moved && state.article) {
    const heading = main.querySelector(".reader h2");
    heading.focus({ preventScroll: true });
    main.scrollIntoView();
  }
}

function nothing() {
  return make("p", { class: "nothing" }, articles.length ? "Nothing is like that. " : "There are no articles here.",
    articles.length ? make("a", { href: address({ ...NO_FILTERS, article: "", claim: "" }) }, "Clear the filters") : null);
}

function listOfArticles(found, open) {
  const orders = { "": "as they came", ...(dated ? { new: "newest first", old: "oldest first" } : {}), most: "most claims first" };
  const list = make("ol");
  const upTo = lazily(list, found.articles, (article) => make("li", {},
    make("a", { href: address({ article: article.id, claim: "" }), "aria-current": article === open ? "true" : null },
      make("span", { class: "list-title" }, name(article.title, 110)), byline(article),
      acts(article.claims.filter((claim) => claim.match)))), 60);
  if (open && state.article) upTo(found.articles.indexOf(open));
  const select = make("select", { "aria-label": "Order of the articles", onchange: () => go({ sort: select.value }) },
    Object.entries(orders).map(([key, words]) => make("option", { value: key, selected: key === state.sort }, words)));
  return make("nav", { class: "list", "aria-label": "Articles" },
    make("div", { class: "list-head" }, make("span", {}, count(found.articles.length, "article")), select), list);
}

function byline(article) {
  const parts = [article.publisher && name(article.publisher, 40), date(article)].filter(Boolean);
  return parts.length ? make("span", { class: "byline" }, parts.flatMap((part, i) => (i ? [" · ", part] : [part]))) : null;
}

function reader(article, found) {
  const place = found.articles.indexOf(article);
  const step = (by, words) => {
    const other = found.articles[place + by];
    return place >= 0 && other ? make("a", { href: address({ article: other.id, claim: "" }) }, words) : make("span");
  };
  marks.clear();
  const body = make("div", { class: "rows" });
  const rows = article.text === null ? article.claims.map(alone) : paragraphs(article);
  const first = rows[0];
  const titled = first && first.title;
  const upTo = lazily(body, titled ? rows.slice(1) : rows, (row) => row.make(), PARAGRAPHS);
  reader.reveal = (claim) => upTo(rows.findIndex((row) => row.claims.includes(claim)) - (titled ? 1 : 0));
  return make("article", { class: "reader", "aria-labelledby": "heading" },
    make("p", { class: "back" }, make("a", { href: address({ article: "", claim: "" }) }, "← All articles")),
    make("header", { class: "row" },
      make("h2", { id: "heading", tabindex: "-1", dir: "auto" }, titled ? first.words() : shown(article.title)),
      titled ? first.notes() : null,
      facts(article)),
    body,
    make("nav", { class: "steps", "aria-label": "Next and previous article" },
      step(-1, "← Previous article"), step(1, "Next article →")));
}

function facts(article) {
  const lines = [];
  const by = [article.publisher && name(article.publisher), date(article), article.author && name(article.author)];
  const parts = by.filter(Boolean).flatMap((part, i) => (i ? [" · ", part] : [part]));
  if (parts.length) lines.push(make("p", {}, parts));
  if (article.url) lines.push(make("p", {}, link(article.url)));
  if (article.also.length) {
    const others = article.also.slice(0, 12).flatMap((other, i) => (i ? [", ", name(other, 60)] : [name(other, 60)]));
    const left = article.also.length - 12;
    lines.push(make("p", {}, "The same text also in: ", others, left > 0 ? ` and ${number(left)} more` : null));
  }
  lines.push(make("p", {}, count(article.claims.length, "claim"), " ", acts(article.claims)));
  return make("div", { class: "facts" }, lines);
}

// Only addresses of the web become links; others, such as javascript:, stay words.
function link(url) {
  const words = make("bdi", { dir: "ltr" }, clip(url, 100));
  if (!/^https?:\/\/[^\s]+$/i.test(url)) return words;
  return make("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, words);
}

function alone(claim) {
  const anchor = make("a", quoteAttributes(claim, true), claim.content);
  marks.set(claim, { content: [anchor], cue: [], source: [] });
  const words = [claim.sourceWords && `source: ${claim.sourceWords}`, claim.cueWords && `cue: ${claim.cueWords}`];
  const context = words.filter(Boolean).join(" · ");
  return {
    claims: [claim],
    make: () => make("div", { class: "row" },
      make("p", { dir: "auto" }, anchor, context ? make("span", { class: "context" }, clip(context, 200)) : null),
      notes([claim])),
  };
}

// A note beside the text for each claim that begins there: what it does, who says it, how sure that is.
function notes(some) {
  return some.length ? make("ul", { class: "notes" }, some.map((claim) => make("li", {}, note(claim)))) : null;
}

function note(claim) {
  const details = make("details", { class: `note ${claim.stance.name} ${claim.match ? "" : "dim"}`, id: `note-${claim.key}` },
    make("summary", {},
      make("span", { class: "note-head" },
        make("span", { class: "note-number" }, claim.number), badge(claim.stance),
        make("span", { class: "sure", title: "How sure the program is" }, percent(claim.sure))),
      make("span", { class: "who" }, speakerOf(claim), claim.target !== null
        ? [make("span", { class: "against", title: "accuses" }, " → ", make("span", { class: "unseen" }, "accuses ")), name(claim.target)]
        : null)));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(explain(claim), make("p", { class: "note-links" },
      make("a", { href: `#claim=${encodeURIComponent(claim.key)}` }, "Link to this quote"),
      claim.speaker === null ? null : make("a", { href: address({ ...NO_FILTERS, speaker: claim.speaker, view: "speakers", article: "", claim: "" }) },
        "All by this speaker")));
  });
  details.addEventListener("pointerenter", () => light(claim, true));
  details.addEventListener("pointerleave", () => light(claim, false));
  details.addEventListener("focusin", () => light(claim, true));
  details.addEventListener("focusout", () => light(claim, false));
  return details;
}

// The probabilities, and what else is known of a claim.
function explain(claim) {
  const facts = [
    claim.second && ["also", claim.second.word.toLowerCase()],
    claim.speaker !== null && ["speaker", [speakerOf(claim), claim.speakerSure === null ? null : ` (${percent(claim.speakerSure)} sure)`]],
    claim.target !== null && ["accused", [name(claim.target), claim.targetSure === null ? null : ` (${percent(claim.targetSure)} sure)`]],
    claim.sourceWords && ["source", name(claim.sourceWords, 80)],
    claim.cueWords && ["cue", name(claim.cueWords, 60)],
    ["how", claim.kind],
  ].filter(Boolean);
  return make("div", { class: "explain" },
    make("ul", { class: "odds" }, STANCES.map((stance, i) => make("li", { class: stance.name },
      badge(stance), make("span", { class: "odds-bar", "aria-hidden": "true", "--share": `${100 * claim.probabilities[i]}%` }),
      make("span", { class: "sure" }, percent(claim.probabilities[i]))))),
    make("dl", {}, facts.map(([term, value]) => [make("dt", {}, term), make("dd", {}, value)])));
}
