// One quote in its context: as annotated, as found, and as the other model found it.

const AROUND = 180; // code points before and after
const LONGEST = 6000; // of a passage; the whole article is one click away

function showQuote(one, whole = false) {
  const pane = document.getElementById("quote");
  if (!one) {
    pane.replaceChildren(make("p", { class: "aside" }, cases.length ? "Nothing is like that." : "There are no mistakes."));
    return;
  }
  const at = shownCases.indexOf(one);
  const step = (by, words) => make("button", {
    type: "button", disabled: !shownCases[at + by] || at < 0, onclick: () => choose(shownCases[at + by]),
  }, words);
  pane.replaceChildren();
  fill(pane, {}, [
    make("h3", {}, label(one.gold, "not annotated"), make("span", { "aria-label": "found as" }, "→"), label(one.found, "not found"),
      make("span", { class: "aside" }, one.probability === null ? null : `${(100 * one.probability).toFixed(1)}% sure`)),
    make("p", { class: "aside" }, name(one.article.title, 160), ` · ${page.sets[one.article.set]}`),
    one.kinds.length ? make("ul", { class: "kinds" }, one.kinds.map((kind) =>
      make("li", {}, make("b", {}, KINDS[kind][0]), `: ${KINDS[kind][1]}`))) : null,
    given(one),
    panel("As annotated", one, one.gold, "No quote is annotated here.", whole),
    panel("As found", one, one.found, "The model found no quote here.", whole),
    page.other === null ? null : panel("As the other model found it", one, one.other, "The other model found no quote here.", whole),
    make("p", { class: "key" },
      ["content: shaded", "source: framed", "cue: dashed line"].map((words) => make("span", {}, words))),
    make("div", { class: "steps" }, step(-1, "← Previous"), step(1, "Next →"),
      make("button", { type: "button", "aria-pressed": String(whole), onclick: () => showQuote(one, !whole) }, "Whole article"),
      make("a", { href: `#quote=${one.id}` }, "Link to this quote"))]);
  pane.scrollTop = 0;
}

function given(one) {
  if (!one.given || (one.found && one.found.stance === one.given[0])) return null;
  return make("p", { class: "aside" }, "On the annotated words it says ", badge(LABELS[one.given[0]]), ` (${percent(one.given[1])}).`);
}

function panel(title, one, answer, nothing, whole) {
  if (!answer) return [make("h4", {}, title), make("p", { class: "aside" }, nothing)];
  const facts = [
    ["label", [answer.stance ? badge(LABELS[answer.stance]) : "none", answer.second ? [" and ", badge(LABELS[answer.second])] : null]],
    ["speaker", answer.speaker === null ? "none" : answer.speaker === "?" ? "not given by the article" : name(answer.speaker)],
    ["target", answer.target === null ? "none" : answer.target === "?" ? "nobody in particular" : name(answer.target)],
  ];
  return [
    make("h4", {}, title),
    make("p", { class: `passage ${answer.stance ?? ""}`, dir: "auto" }, passage(one, answer, whole)),
    make("dl", { class: "said-by" }, facts.map(([term, value]) => make("div", {}, make("dt", {}, term), make("dd", {}, value)))),
  ];
}

// The text around all spans of all answers, so that one can be held beside another.
function passage(one, answer, whole) {
  const text = one.article.text, unit = units(one.article);
  const all = [one.gold, one.found, one.other].filter(Boolean).flatMap((some) => [...some.content, ...some.cue, ...some.source]);
  let start = unit(Math.min(...all.map((span) => span[0])));
  let end = unit(Math.max(...all.map((span) => span[1])));
  start = whole ? 0 : wordEdge(text, Math.max(0, start - AROUND), start, -1);
  end = whole ? text.length : wordEdge(text, Math.min(text.length, end + AROUND), end, 1);
  const cut = !whole && end - start > LONGEST;
  if (cut) end = start + LONGEST;
  const pieces = ["content", "cue", "source"].flatMap((part) => answer[part].map(([a, b]) => ({ part, start: unit(a), end: unit(b) })));
  const edges = new Set([start, end]);
  for (const piece of pieces) for (const edge of [piece.start, piece.end]) if (edge > start && edge < end) edges.add(edge);
  const places = [...edges].sort((a, b) => a - b);
  const made = places.slice(1).map((to, i) => {
    const from = places[i], parts = pieces.filter((piece) => piece.start < to && piece.end > from);
    const words = text.slice(from, to).replace(/\r\n?/g, "\n").replace(/\n\s*\n/g, "\n");
    if (!parts.length) return words;
    const ends = parts.filter((piece) => piece.end === to && piece.part !== "content").map((piece) => piece.part);
    return [make("span", { class: parts.map((piece) => piece.part).join(" ") }, words),
      ...ends.map((part) => make("span", { class: "tag" }, part))];
  });
  return [start > 0 ? "… " : null, ...made.flat(), end < text.length ? " …" : null];
}

// Moves a cut to the nearest blank towards the quote; a word of any length may be cut.
function wordEdge(text, from, to, direction) {
  if (from === 0 || from === text.length) return from;
  for (let at = from; at !== to && Math.abs(at - from) < 40; at -= direction) {
    if (/\s/.test(text[direction < 0 ? at - 1 : at])) return at;
  }
  const code = text.charCodeAt(from);
  return code >= 0xdc00 && code < 0xe000 ? from + 1 : from;
}
