// What the page holds: the articles with mistakes in them and the quotes that are wrong, in the order of the articles.

const page = JSON.parse(document.getElementById("data").textContent);
const LABELS = Object.fromEntries(page.labels.map((label) => [label, { name: label, word: label }]));
const KINDS = page.kinds;
const traits = page.traits.map(([group, name]) => `${group}:${name}`);
const cases = page.cases.map((one, order) => {
  const article = page.articles[one.article];
  const spans = (one.gold ?? one.found ?? one.other).content;
  const probability = one.found ? one.found.probability : one.given ? one.given[1] : null;
  return { ...one, order, article, spans, probability, traits: new Set(one.traits.map((at) => traits[at])) };
});
const caseById = new Map(cases.map((one) => [one.id, one]));

// Offsets count code points, as everywhere in the project; JavaScript counts UTF-16 units.
function units(article) {
  if (!article.units) {
    const astral = [];
    let points = 0;
    if (/[\ud800-\udfff]/.test(article.text)) {
      for (const character of article.text) {
        if (character.length > 1) astral.push(points);
        points++;
      }
    }
    article.units = (offset) => {
      let low = 0, high = astral.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (astral[middle] < offset) low = middle + 1;
        else high = middle;
      }
      return offset + low;
    };
  }
  return article.units;
}

function words(article, [start, end]) {
  const unit = units(article);
  return article.text.slice(unit(start), unit(end));
}

function content(one) {
  one.content ??= one.spans.map((span) => words(one.article, span)).join(" … ");
  return one.content;
}

function folded(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

// All that free text is looked for in.
function searchable(one) {
  one.searchable ??= folded([content(one), one.gold?.speaker, one.gold?.target, one.found?.speaker, one.found?.target,
    one.article.title, one.article.id].filter(Boolean).join("\n"));
  return one.searchable;
}
