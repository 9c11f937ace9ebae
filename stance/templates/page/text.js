// An article's text as paragraphs, cut where a quote, its cue or its source begins or ends.

const marks = new Map(); // a claim's elements in the text: content, cue, source

function paragraphs(article) {
  const rows = [];
  for (const line of article.text.matchAll(/[^\r\n\u2028\u2029]+/g)) {
    if (line[0].trim()) rows.push({ start: line.index, end: line.index + line[0].length, pieces: [] });
  }
  for (const claim of article.claims) {
    const own = claim.spans.reduce((sum, [start, end]) => sum + end - start, 0);
    for (const span of claim.spans) spread(rows, { claim, part: "content", span, own });
    for (const part of ["cue", "source"]) if (claim[part].length) spread(rows, { claim, part, span: claim[part], own });
  }
  const placed = new Set();
  for (const row of rows) {
    const content = row.pieces.filter((piece) => piece.part === "content").map((piece) => piece.claim);
    row.claims = [...new Set(content)].filter((claim) => !placed.has(claim)).sort((a, b) => a.number - b.number);
    row.claims.forEach((claim) => placed.add(claim));
    row.words = () => cut(article.text, row);
    row.notes = () => notes(row.claims);
    row.make = () => make("div", { class: "row" }, make("p", { dir: "auto" }, row.words()), row.notes());
  }
  if (rows.length && article.text.slice(rows[0].start, rows[0].end).trim() === article.title.trim()) rows[0].title = true;
  return rows;
}

// Gives a piece to all paragraphs that it touches.
function spread(rows, piece) {
  let low = 0, high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].end <= piece.span[0]) low = middle + 1;
    else high = middle;
  }
  for (; low < rows.length && rows[low].start < piece.span[1]; low++) rows[low].pieces.push(piece);
}

function cut(text, row) {
  const edges = new Set([row.start, row.end]);
  for (const { span } of row.pieces) for (const edge of span) if (edge > row.start && edge < row.end) edges.add(edge);
  const places = [...edges].sort((a, b) => a - b);
  const open = [...row.pieces].sort((a, b) => a.span[0] - b.span[0]);
  let from = 0, active = [];
  const found = [];
  for (let i = 0; i + 1 < places.length; i++) {
    const [start, end] = [places[i], places[i + 1]];
    while (from < open.length && open[from].span[0] <= start) active.push(open[from++]);
    active = active.filter((piece) => piece.span[1] > start);
    found.push(active.length ? marked(text.slice(start, end), active) : shown(text.slice(start, end)));
  }
  return found;
}

// Of quotes within quotes the innermost is marked; the others have their notes.
function marked(words, pieces) {
  const contents = pieces.filter((piece) => piece.part === "content").sort((a, b) => a.own - b.own);
  const claim = contents[0]?.claim;
  const element = claim ? make("a", quoteAttributes(claim, !marks.get(claim)?.content.length), words) : make("span", {}, words);
  for (const piece of pieces) {
    if (!marks.has(piece.claim)) marks.set(piece.claim, { content: [], cue: [], source: [] });
    marks.get(piece.claim)[piece.part].push(element);
  }
  return element;
}

function quoteAttributes(claim, first) {
  return {
    class: `quote ${claim.stance.name} ${claim.match ? "" : "dim"} ${first ? "first" : ""}`,
    href: address({ claim: claim.key }),
    "data-number": first ? claim.number : null,
    tabindex: first ? null : "-1",
    onpointerenter: (event) => event.pointerType !== "touch" && tip(claim, event.currentTarget),
    onpointerleave: () => untip(),
    onfocus: (event) => claim !== pointed && event.currentTarget.matches(":focus-visible") && tip(claim, event.currentTarget),
    onblur: () => untip(),
  };
}

// Lights up a claim in the text and beside it, with its source and cue.
function light(claim, on) {
  const found = marks.get(claim);
  if (!found) return;
  for (const part of ["content", "cue", "source"]) found[part].forEach((element) => element.classList.toggle(`lit-${part}`, on));
  document.getElementById(`note-${claim.key}`)?.classList.toggle("lit", on);
}

let pointed = null;

// Brings a claim before the reader's eyes and puts the keyboard there.
function point(claim) {
  reader.reveal(claim);
  const [element] = marks.get(claim)?.content ?? [];
  const beside = document.getElementById(`note-${claim.key}`);
  if (beside) beside.open = true;
  (marks.get(claim)?.content ?? []).forEach((part) => part.classList.add("pointed"));
  beside?.classList.add("pointed");
  light(claim, true);
  const target = element ?? beside;
  target?.scrollIntoView({ block: "center" });
  (element?.classList.contains("first") ? element : beside?.querySelector("summary"))?.focus({ preventScroll: true });
}

// The bubble beside a quote. It stays while the pointer is on it; Escape closes it.
const bubble = document.getElementById("tip");
let closing = 0;

function tip(claim, anchor) {
  clearTimeout(closing);
  untip.claim && light(untip.claim, false);
  untip.claim = claim;
  light(claim, true);
  bubble.replaceChildren(make("p", { class: "who" }, speakerOf(claim)), explain(claim));
  bubble.hidden = false;
  anchor.setAttribute("aria-describedby", "tip");
  const box = anchor.getClientRects()[0], own = bubble.getBoundingClientRect();
  const below = box.bottom + 8 + own.height < innerHeight;
  const right = anchor.closest("p, h2").getBoundingClientRect().right; // the notes stay in sight
  bubble.style.left = `${scrollX + Math.max(8, Math.min(box.left, right - own.width))}px`;
  bubble.style.top = `${scrollY + (below ? box.bottom + 8 : Math.max(8, box.top - own.height - 8))}px`;
}

function untip(wait = 150) {
  clearTimeout(closing);
  closing = setTimeout(() => {
    bubble.hidden = true;
    if (untip.claim) light(untip.claim, false);
    untip.claim = null;
    document.querySelectorAll("[aria-describedby=tip]").forEach((element) => element.removeAttribute("aria-describedby"));
  }, wait);
}

bubble.addEventListener("pointerenter", () => clearTimeout(closing));
bubble.addEventListener("pointerleave", () => untip());
addEventListener("keydown", (event) => event.key === "Escape" && untip(0));
