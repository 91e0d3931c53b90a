// A model's text while it comes: paragraphs, code, emphasis; built of elements and text nodes alone.
// What is complete is built once; only the last block is built anew when something is added to it.

import { el } from "./dom.js";

const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*/g;
const FENCE = /^\s*(```|~~~)(.*)$/;
const HEADING = /^#{1,6}\s+(.*)$/;

export class Prose {
  constructor(className) {
    this.node = el("div", { class: `prose ${className}` });
    this.set("");
  }

  /** Show this text and nothing else. */
  set(text) {
    this.text = text;
    this._tail = "";
    this._last = null;
    this.node.replaceChildren();
    this._grow(text);
  }

  append(delta) {
    this.text += delta;
    this._grow(delta);
  }

  _grow(delta) {
    const { blocks, rest } = split(this._tail + delta);
    if (blocks.length && this._last) {
      this._last.remove();
      this._last = null;
    }
    this.node.append(...blocks.map(built));
    this._tail = rest;
    const last = rest.trim() ? built(rest) : null;
    if (this._last && last) this._last.replaceWith(last);
    else if (this._last) this._last.remove();
    else if (last) this.node.append(last);
    this._last = last;
  }
}

/** Cut off the blocks that nothing can be added to any more. */
function split(text) {
  const blocks = [];
  let block = [];
  let fence = "";
  const lines = text.split("\n");
  const open = lines.pop();
  for (const line of lines) {
    const mark = FENCE.exec(line)?.[1];
    if (!fence && mark && block.length) blocks.push(block.splice(0));
    if (fence || mark || line.trim()) block.push(line);
    const closes = fence && mark === fence && block.length > 1;
    fence = closes ? "" : fence || mark || "";
    if (closes || (!fence && !line.trim() && block.length)) blocks.push(block.splice(0));
  }
  const rest = block.length ? `${block.join("\n")}\n${open}` : open;
  return { blocks: blocks.map((lines) => lines.join("\n")), rest };
}

function built(block) {
  const lines = block.split("\n");
  const fence = FENCE.exec(lines[0]);
  if (fence) {
    const end = lines.length > 1 && lines.at(-1).trim() === fence[1] ? -1 : undefined;
    return el("pre", { class: "code", tabindex: "0" }, el("code", {}, lines.slice(1, end).join("\n")));
  }
  const heading = lines.length === 1 && HEADING.exec(lines[0]);
  if (heading) return el("p", { class: "heading" }, ...inline(heading[1]));
  return el("p", {}, ...inline(block.replace(/\s+$/, "")));
}

function inline(text) {
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    nodes.push(text.slice(at, found.index));
    nodes.push(found[1] ? el("code", {}, found[1]) : el("strong", {}, found[2]));
    at = found.index + found[0].length;
  }
  return [...nodes, text.slice(at)].filter(Boolean);
}
