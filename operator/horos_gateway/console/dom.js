// Builds elements. Text only ever becomes text nodes: nothing that a model says is read as markup.

/** Make an element; `on…` adds a listener, true and false set and leave out an attribute. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Links to threads of an agent, with commas between them. */
export function threadLinks({ namespace, agent }, threads) {
  return threads.flatMap((thread, place) => {
    const href = `#/${[namespace, agent, thread].map(encodeURIComponent).join("/")}`;
    const link = el("a", { href }, thread);
    return place ? [", ", link] : [link];
  });
}

/** A word as it stands behind a number. */
export const plural = (number, word) => (number === 1 ? word : `${word}s`);

export const byId = (id) => document.getElementById(id);

/** Say something to a screen reader. */
export function say(text) {
  byId("spoken").textContent = text;
}

/** A command that a person may want to run. */
export const command = (text) => el("pre", { class: "command" }, text);
