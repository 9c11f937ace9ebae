// What is asked for. It stands in the address after the `#`, so that every view can be linked to and kept.

const VIEWS = { articles: "Articles", speakers: "Speakers", accusations: "Who accuses whom", time: "Over time" };
const NOTHING = {
  view: "articles", words: "", speaker: "", target: "", stance: "", publisher: "", from: "", to: "", sort: "",
  article: "", claim: "",
};
const FILTERS = ["words", "speaker", "target", "stance", "publisher", "from", "to"];
const NO_FILTERS = Object.fromEntries(FILTERS.map((key) => [key, ""]));

let state = fromAddress();

function fromAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const found = { ...NOTHING };
  for (const key of Object.keys(NOTHING)) found[key] = given.get(key) ?? NOTHING[key];
  if (!(found.view in VIEWS)) found.view = NOTHING.view;
  const claim = claimByKey.get(found.claim);
  if (claim) Object.assign(found, { view: "articles", article: claim.article.id });
  return found;
}

// An address for what is asked for now, with changes. A quote says which article it is in.
function address(changes = {}) {
  const next = { ...state, ...changes };
  if (next.claim) next.article = next.view = "";
  const some = Object.entries(next).filter(([key, value]) => value && value !== NOTHING[key]);
  return `#${new URLSearchParams(some)}`;
}

// A name that is known asks for it alone, other letters for all names that hold them.
function byName(asked, known) {
  if (!asked) return () => true;
  if (known.includes(asked)) return (given) => given === asked;
  const part = fold(asked);
  return (given) => given !== null && fold(given).includes(part);
}

// Gives the claims and articles that are asked for, and how many claims there would be of each stance.
// An article without such a claim is among them where nothing is asked of its claims.
function select() {
  const words = fold(state.words).split(/\s+/).filter(Boolean);
  const stances = new Set(state.stance.split(",").filter(Boolean));
  const speaker = cached(byName(state.speaker, speakers)), target = cached(byName(state.target, targets));
  const ofClaims = state.speaker || state.target || stances.size;
  const found = { articles: [], claims: [], counts: new Map(STANCES.map((stance) => [stance, 0])) };
  for (const article of articles) {
    const will = (!state.publisher || article.publisher === state.publisher)
      && (!state.from || (article.day && article.day >= state.from))
      && (!state.to || (article.day && article.day <= state.to));
    let some = 0;
    for (const claim of article.claims) {
      claim.match = Boolean(will) && speaker(claim.speaker) && target(claim.target)
        && words.every((word) => foldedClaim(claim).includes(word));
      if (!claim.match) continue;
      found.counts.set(claim.stance, found.counts.get(claim.stance) + 1);
      claim.match = !stances.size || stances.has(claim.stance.name);
      if (claim.match) some = found.claims.push(claim);
    }
    const itself = will && !ofClaims && words.every((word) => foldedArticle(article).includes(word));
    if (some || itself) found.articles.push(article);
  }
  if (state.sort === "new") found.articles.sort((a, b) => (b.day ?? "").localeCompare(a.day ?? "") || a.order - b.order);
  if (state.sort === "old") found.articles.sort((a, b) => (a.day ?? "9").localeCompare(b.day ?? "9") || a.order - b.order);
  if (state.sort === "most") {
    const counts = tally(found.claims.map((claim) => claim.article));
    found.articles.sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || a.order - b.order);
  }
  return found;
}

function cached(test) {
  const answers = new Map();
  return (key) => {
    if (!answers.has(key)) answers.set(key, test(key));
    return answers.get(key);
  };
}
