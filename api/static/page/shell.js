// A command line as words, as a shell would see them: 'single' and "double" quotes, and \ before any character.

export function split(line) {
  const words = [];
  let word = null;
  let quote = "";
  for (let n = 0; n < line.length; n += 1) {
    const at = line[n];
    if (quote === "'" ? at === "'" : quote === '"' && at === '"') quote = "";
    else if (at === "\\" && quote !== "'") word = (word ?? "") + (line[(n += 1)] ?? "");
    else if (quote) word += at;
    else if (at === "'" || at === '"') [quote, word] = [at, word ?? ""];
    else if (/\s/.test(at)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? "") + at;
  }
  if (quote) throw new Error(`The command has an open ${quote}.`);
  return word === null ? words : [...words, word];
}
