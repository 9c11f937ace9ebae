// Annotation tasks for Label Studio: the quotes of the list, an article a task.
// Its offsets count code points, as ours do. Regions carry the names of training/formats/label_studio.xml.

const NAMES = { spans: "label", text: "text", stance: "stance", second: "second", speaker: "speaker", target: "target" };
const ROLES = { content: "Content", cue: "Cue", source: "Source" };

function tasks(found) {
  const byArticle = Map.groupBy ? Map.groupBy(found, (one) => one.article) : grouped(found);
  return [...byArticle].map(([article, some]) => ({
    data: {
      text: article.text, article_id: article.id, title: article.title, set: page.sets[article.set],
      article: "", why: "Only the quotes with mistakes are marked",
      complete: false, quotes: some.map((one) => one.id), mistakes: some.map((one) => one.kinds.join(" ")),
    },
    predictions: [
      prediction(page.model, article, some.filter((one) => one.found).map((one) => [one.id, one.found])),
      prediction("annotated", article, some.filter((one) => one.gold).map((one) => [one.id, one.gold])),
    ],
  }));
}

function grouped(found) {
  const groups = new Map();
  for (const one of found) groups.set(one.article, [...(groups.get(one.article) ?? []), one]);
  return groups;
}

function prediction(version, article, answers) {
  const sure = answers.map(([, answer]) => answer.probability).filter((value) => value !== undefined);
  return {
    model_version: version,
    ...(sure.length ? { score: Math.min(...sure) } : {}),
    result: answers.flatMap(([id, answer]) => regions(id, article, answer)),
  };
}

function regions(id, article, answer) {
  const result = [], first = `${id}-content-0`;
  for (const [part, name] of Object.entries(ROLES)) {
    answer[part].forEach((span, i) => {
      const region = `${id}-${part}-${i}`;
      result.push(field(region, NAMES.spans, "labels", article, span, { labels: [name] }));
      if (region !== first) result.push({ type: "relation", from_id: first, to_id: region, direction: "right", labels: [] });
    });
  }
  const whole = answer.content[0];
  for (const key of ["stance", "second"]) {
    if (answer[key]) result.push(field(first, NAMES[key], "choices", article, whole, { choices: [answer[key]] }));
  }
  for (const key of ["speaker", "target"]) {
    if (answer[key] !== null) result.push(field(first, NAMES[key], "textarea", article, whole, { text: [answer[key]] }));
  }
  return result;
}

function field(id, from, type, article, [start, end], value) {
  const said = type === "textarea" ? {} : { text: words(article, [start, end]) };
  return { id, from_name: from, to_name: NAMES.text, type, value: { start, end, ...said, ...value } };
}

function save(found) {
  const file = new Blob([JSON.stringify(tasks(found), null, 1)], { type: "application/json" });
  const link = make("a", { href: URL.createObjectURL(file), download: "tasks.json" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
