// Whether an agent has a process, and where it stands while it waits for one, in words.

const ENDINGS = { one: "st", two: "nd", few: "rd", other: "th" };
const places = new Intl.PluralRules("en", { type: "ordinal" });

export const ordinal = (number) => `${number}${ENDINGS[places.select(number)]}`;

export const placeOf = ({ position, length }) => `${ordinal(position)} of ${length}`;

/** How an agent looks: its state, or, where that says less, how it stands with its process. */
export function lookOf({ state, residency, queue }) {
  if (residency === "queued" && (state === "idle" || state === "running")) return queue ? "queued" : "waking";
  return state === "idle" && residency === "hibernated" ? "hibernated" : state;
}

/** The same in a few words. */
export function looksLike(agent) {
  const look = lookOf(agent);
  return look === "queued" ? `queued · ${placeOf(agent.queue)}` : look;
}

export const WAKING = "Waking up…";
export const ASLEEP = "Hibernated: the next message wakes it.";

/** The sentence for who waits for it. */
export const waitOf = ({ queue }) => (queue ? `${placeOf(queue)} in the pool’s queue.` : WAKING);

/** What a person can ask of its process now: wake, hibernate, or nothing. */
export function orderFor({ state, residency }) {
  if (state === "paused" || state === "terminated") return "";
  return { hibernated: "wake", resident: "hibernate" }[residency] ?? "";
}
