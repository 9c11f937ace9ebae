// What the page holds, with names: articles and claims. A claim knows its article, an article its claims.

const STANCES = [
  { name: "accusation", word: "Accusation", many: "accusations", does: "accuses",
    means: "holds somebody responsible for something wrong." },
  { name: "denial", word: "Denial", many: "denials", does: "denies",
    means: "rejects a charge or criticism." },
  { name: "justification", word: "Justification", many: "justifications", does: "justifies",
    means: "lets an act stand and argues that it is right, needed, lawful or normal." },
  { name: "other", word: "Other", many: "other claims", does: "says otherwise",
    means: "none of these: facts, plans, praise, thanks." },
];
const KINDS = ["in quotation marks", "in the article’s own words", "partly in quotation marks"];

const { articles, claims, speakers, targets, publishers, dated } = read();
const claimByKey = new Map(claims.map((claim) => [claim.key, claim]));
const articleById = new Map(articles.map((article) => [article.id, article]));

function read() {
  const element = document.getElementById("data");
  const data = JSON.parse(element.textContent);
  element.remove(); // the words are in memory now; twice would be too much
  const name = (number) => (number < 0 ? null : data.names[number]);
  const claims = [];
  for (const [order, article] of data.articles.entries()) {
    article.order = order;
    article.claims = article.claims.map((row, number) => {
      const [key, stance, second, probabilities, speaker, speakerSure, target, targetSure, kind] = row;
      const [spans, cue, source, content, cueWords, sourceWords] = row.slice(9);
      const words = (span, given) => (span.length ? given ?? article.text.slice(...span) : null);
      const pairs = [];
      for (let i = 0; i < spans.length; i += 2) pairs.push([spans[i], spans[i + 1]]);
      const claim = {
        key, article, number: number + 1, stance: STANCES[stance], second: STANCES[second] ?? null, probabilities,
        sure: probabilities[stance], speaker: name(speaker), speakerSure, target: name(target), targetSure,
        kind: KINDS[kind], spans: pairs, cue, source,
        get content() { return content ?? pairs.map((pair) => article.text.slice(...pair)).join(" … "); },
        cueWords: words(cue, cueWords), sourceWords: words(source, sourceWords), match: true,
      };
      claims.push(claim);
      return claim;
    });
  }
  const distinct = (values) => [...new Set(values.filter((value) => value !== null))];
  const order = new Intl.Collator("en").compare;
  return {
    articles: data.articles,
    claims,
    speakers: distinct(claims.map((claim) => claim.speaker)).sort(order),
    targets: distinct(claims.map((claim) => claim.target)).sort(order),
    publishers: distinct(data.articles.map((article) => article.publisher)).sort(order),
    dated: data.articles.some((article) => article.day),
  };
}

// For comparing: case, accents and the kind of quotation marks make no difference.
function fold(words) {
  return words.normalize("NFKD").replace(/\p{M}+/gu, "").replace(/[‘’]/g, "'").replace(/[“”]/g, '"').toLowerCase();
}

function foldedArticle(article) {
  return (article.folded ??= fold(`${article.title}\n${article.text ?? ""}`));
}

function foldedClaim(claim) {
  return (claim.folded ??= fold([claim.content, claim.speaker, claim.target].filter(Boolean).join("\n")));
}

// The largest first; equals in the order in which they came.
function ranked(counts) {
  return [...counts].sort((one, other) => other[1] - one[1]);
}

function tally(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
