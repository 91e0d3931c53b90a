// The fields of what a tool server asks for: one input for each property of its flat schema, filled with the defaults.

import { el } from "./dom.js";

const TYPES = { email: "email", uri: "url", date: "date" };

/** Build the fields of a schema (JSON text); none for a schema that asks for nothing. */
export function fieldsOf(schema, prefix) {
  let document;
  try {
    document = JSON.parse(schema || "{}");
  } catch {
    return [];
  }
  const required = new Set(document?.required ?? []);
  return Object.entries(document?.properties ?? {}).map(
    ([name, about], place) => new Field(name, about ?? {}, required.has(name), `${prefix}-${place}`),
  );
}

/** What was entered, by name; what was left empty is left out, and gets its default. */
export function valuesOf(fields) {
  return Object.fromEntries(fields.map((each) => [each.name, each.value()]).filter(([, value]) => value !== undefined));
}

class Field {
  constructor(name, about, required, id) {
    this.name = name;
    this._about = about;
    const must = required && about.default === undefined;
    this.input = this._input(id, must);
    const title = el("span", {}, about.title || name, must ? el("span", { class: "must" }, " (required)") : null);
    const hint = about.description ? el("p", { class: "hint", id: `${id}-hint` }, about.description) : null;
    if (hint) this.input.setAttribute("aria-describedby", hint.id);
    this.node = this._laidOut(title, hint, id);
  }

  /** Say whether the gateway refused what is in here. */
  wrong(is) {
    this.input.toggleAttribute("aria-invalid", is);
    if (is) this.input.focus();
  }

  value() {
    const { type } = this._about;
    if (type === "boolean") return this.input.checked;
    if (type === "array") return [...this.input.querySelectorAll("input:checked")].map(({ value }) => value);
    const { value } = this.input;
    if (type === "number" || type === "integer") return value === "" ? undefined : Number(value);
    // An emptied text that has a default means the empty text; one without means none.
    return value === "" && this._about.default === undefined ? undefined : value;
  }

  _laidOut(title, hint, id) {
    if (this._about.type === "array") {
      this.input.prepend(el("legend", {}, title));
      return el("div", { class: "field" }, this.input, hint);
    }
    if (this._about.type === "boolean")
      return el("div", { class: "field" }, el("label", { class: "tick" }, this.input, title), hint);
    return el("div", { class: "field" }, el("label", { for: id }, title), this.input, hint);
  }

  _input(id, required) {
    const { type, format, default: given, minimum, maximum, minLength, maxLength } = this._about;
    const choices = choicesOf(this._about);
    const common = { id, name: this.name };
    if (type === "boolean") return el("input", { ...common, type: "checkbox", checked: given === true });
    if (type === "array") return this._ticks(common, choicesOf(this._about.items ?? {}), given ?? []);
    if (choices.length) return this._select({ ...common, required }, choices, given);
    if (type === "number" || type === "integer") {
      const step = type === "integer" ? "1" : "any";
      return el("input", { ...common, type: "number", step, min: minimum, max: maximum, value: given, required });
    }
    const kind = TYPES[format] ?? "text";
    const limits = { minlength: minLength, maxlength: maxLength };
    return el("input", { ...common, type: kind, ...limits, value: given, required, autocomplete: "off" });
  }

  _select(attributes, choices, given) {
    const none = given === undefined ? [el("option", { value: "" }, "–")] : [];
    const options = choices.map(({ value, title }) => el("option", { value, selected: value === given }, title));
    return el("select", attributes, ...none, ...options);
  }

  _ticks(attributes, choices, given) {
    const ticks = choices.map(({ value, title }) =>
      el("label", { class: "tick" }, el("input", { type: "checkbox", value, checked: given.includes(value) }), title),
    );
    return el("fieldset", { ...attributes, tabindex: "-1" }, ...ticks);
  }
}

/** Choices come as `enum` (with `enumNames`), or each with a title as `oneOf` or `anyOf`. */
function choicesOf({ enum: values, enumNames = [], oneOf, anyOf }) {
  if (values) return values.map((value, place) => ({ value, title: enumNames[place] ?? value }));
  return (oneOf ?? anyOf ?? []).map(({ const: value, title }) => ({ value, title: title ?? value }));
}
