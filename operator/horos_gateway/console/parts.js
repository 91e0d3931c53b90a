// The parts of a thread when they are new, and the sentences for what happens beside the answer.

export const messageOf = (mid) => ({
  kind: "message",
  mid,
  text: null,
  from: "",
  index: null,
  state: "waiting",
  error: "",
});

export const stepOf = (id, run, index) => ({
  kind: "step",
  id,
  run,
  index,
  text: "",
  thoughts: "",
  calls: [],
  streaming: false,
  thinking: false,
  stored: false,
});

export const noteOf = (key, tone, text, index) => ({ kind: "note", key, tone, text, index });

export const reasonOf = (code, message) => [code, message].filter(Boolean).join(": ");

export const summaryOf = (record) =>
  record.content ? `Summary of what came before: ${record.content}` : "Older parts were shortened.";

const counted = (number) => number.toLocaleString("en");

/** What a CUSTOM event says to a person: its tone and a sentence. */
export const NOTES = {
  retry: ({ reason, seconds }) => ["warn", `${reason}. Next try in ${seconds} s.`],
  fallback: ({ reason, model }) => ["warn", `${reason}. Asking ${model} instead.`],
  repair: ({ reason }) => [
    "quiet",
    `The answer could not be used (${reason}); the model is asked once more.`,
  ],
  budget: ({ exhausted, resets }) => ["warn", budgetOf(exhausted, resets)],
  compaction: ({ before, after }) => [
    "quiet",
    `Older parts were shortened: ${counted(before)} tokens became ${counted(after)}.`,
  ],
  toolProblem: ({ message }) => ["warn", message],
  owes: () => ["quiet", "It waits for others, or for a decision, and answers then."],
  cancel: () => ["quiet", "A person stopped this turn."],
};

/** `exhausted`: tokens or cost, of the agent itself or (`tree …`) of its whole family. */
const budgetOf = (exhausted, resets) => {
  const what = exhausted.endsWith("cost") ? "money" : "tokens";
  const whose = exhausted.startsWith("tree ") ? " of the whole family" : "";
  return `The day’s budget of ${what}${whose} is used up; it is full again at ${new Date(resets * 1000).toLocaleString()}.`;
};
