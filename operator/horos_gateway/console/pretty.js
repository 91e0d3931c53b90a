// JSON for people, without reading it as values: what is shown is what will be run, digit by digit. Characters that
// cannot be seen, or that turn a line around, are shown as their codes.

const TOKENS = /\s+|"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+|"/g;
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const OPEN = "{[";
const CLOSE = "}]";

export const visible = (text) =>
  text.replace(UNSEEN, (each) => `\\u${each.codePointAt(0).toString(16).padStart(4, "0")}`);

/** The same for a text of several lines. */
export const visibleLines = (text) => text.replaceAll("\t", "    ").split("\n").map(visible).join("\n");

/** Lay out JSON text on lines; a text with a string that does not end stays as it is. */
export function prettyJson(text) {
  const tokens = (text.match(TOKENS) ?? []).filter((token) => token.trim());
  if (tokens.includes('"')) return visible(text);
  let out = "";
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  tokens.forEach((token, place) => {
    const before = tokens[place - 1] ?? "";
    if (CLOSE.includes(token)) {
      depth -= 1;
      out += OPEN.includes(before) ? token : line() + token;
    } else {
      out += OPEN.includes(before) && before ? line() + visible(token) : visible(token);
      if (OPEN.includes(token)) depth += 1;
      else if (token === ",") out += line();
      else if (token === ":") out += " ";
    }
  });
  return out;
}
