"""The guards of the scripts: each entry takes one away, and a test of the bus must notice.

Equivalent, and therefore not listed: the uid in an entry of `later` (a mid is sent to one life only, and `delete`
takes the entries with it); `not s.holder or s.holder == ''` in reap (an empty holder equals no token); ZADD NX in
`rest` (time in `work` decides about room, which the bus does not).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """In `script`, `text` (which stands there once) becomes `instead`; `takes` says what is gone then."""

    name: str
    script: str
    text: str
    instead: str
    takes: str


def _fence(script: str) -> Mutant:
    return Mutant(
        f"{script}-fence",
        script,
        "local fenced = guard(agent, ARGV[2])",
        "local fenced = nil",
        f"a process that lost the agent may {script}",
    )


MUTANTS = (
    # Who may write, and when it is too late.
    *map(_fence, ("append", "commit", "emit", "fail", "retire")),
    Mutant("next-fence", "next", "guard(ARGV[1], ARGV[2]) or", "", "any process may take a turn"),
    Mutant("guard-passes", "prelude", "if holder == token then", "if true then", "no fence at all"),
    Mutant("claim-uid", "claim", "if s.uid ~= ARGV[2] then return {'GONE'} end", "", "another life may claim"),
    Mutant(
        "claim-holder",
        "claim",
        "if s.holder == ARGV[3] then",
        "if false then",
        "a claim that is repeated counts as another one",
    ),
    Mutant(
        "claim-ticket",
        "claim",
        "if ARGV[4] ~= '' and ARGV[4] ~= s.epoch then",
        "if false then",
        "a late pod may claim",
    ),
    Mutant(
        "append-turn",
        "append",
        "if s.turn ~= turn or ix < tonumber(s.base) then",
        "if ix < tonumber(s.base) then",
        "append to another turn",
    ),
    Mutant(
        "append-base",
        "append",
        "if s.turn ~= turn or ix < tonumber(s.base) then",
        "if s.turn ~= turn then",
        "append before the turn began",
    ),
    Mutant("append-behind", "append", "if length < ix then", "if false then", "a lost journal goes unnoticed"),
    Mutant("append-again", "append", "if length > ix then", "if false then", "a repeated append acts again"),
    Mutant(
        "append-untold-again",
        "append",
        "(entries_of(agent, words(s.untold)))",
        "{}",
        "a repeated append forgets who joined",
    ),
    Mutant("commit-turn", "commit", "  return {'LOST'}\nend\nlocal _, length", "end\nlocal _, length", "commit to another turn"),
    Mutant("commit-last", "commit", "if s.last == turn then", "if false then", "a repeated commit is lost"),
    Mutant("commit-index", "commit", "if length ~= ix then", "if false then", "commit over a lost journal"),
    Mutant(
        "commit-unheard",
        "commit",
        "if not told[contents[i].mid] then return {'LOST'} end",
        "",
        "what the model never heard is acknowledged",
    ),
    Mutant("emit-turn", "emit", "if s.turn ~= ARGV[3] then", "if false then", "events of a closed turn"),
    Mutant("emit-once", "emit", "if number <= tonumber(s.emitted) then", "if false then", "events twice"),
    Mutant("fail-turn", "fail", "if s.turn ~= turn then", "if false then", "a closed turn fails"),
    Mutant("reap-token", "reap", "or s.holder ~= ARGV[2] then", "then", "reap takes whoever holds"),
    Mutant("retire-again", "retire", "if s.uid and s.holder == '' then", "if false then", "a repeated retire is fenced"),
    Mutant("retire-busy", "retire", "if busy and", "if false and", "retire with work to do"),
    Mutant("create-uid", "create", "if known == uid then", "if known then", "another life is taken for this one"),
    Mutant("create-taken", "create", "if known then return 'EXISTS' end", "", "create over another life"),
    Mutant("configure-uid", "configure", "if s.uid ~= ARGV[2] then return 'GONE' end", "", "configure another life"),
    Mutant("configure-old", "configure", "then return 'OLD' end", "then end", "an older spec wins"),
    Mutant("configure-same", "configure", "== ARGV[4] then return 'SAME' end", "== '' then end", "versions without a change"),
    Mutant("delete-uid", "delete", "~= uid then return 'GONE' end", "== '' then return 'GONE' end", "delete another life"),
    Mutant("terminate-uid", "terminate", "if s.uid ~= uid then return 'GONE' end", "", "terminate another life"),
    Mutant("terminate-again", "terminate", "if s.state == 'terminated' then return 'SAME' end", "", "terminated twice"),
    # Messages.
    Mutant("send-seen", "send", "call('ZSCORE', seen, mid) or", "", "a message sent again is another one"),
    Mutant(
        "send-replied",
        "send",
        "or call('EXISTS', P .. 'r:' .. mid) == 1 then",
        "then",
        "a message that was answered may be sent again, to a new life",
    ),
    Mutant("send-remember", "send", "if outcome == 'OK' then", "if true then", "a refused message is remembered"),
    Mutant("send-ttl", "send", "math.max(remember + delay, call('PTTL', seen))", "remember", "a delayed one is forgotten"),
    Mutant("send-delay-uid", "send", "message.to_uid, message.cap = s.uid, cap", "message.to_uid, message.cap = '', cap", "a delayed message outlives its agent"),
    Mutant(
        "send-delay-gone",
        "send",
        "if not s.uid or s.state == 'terminated' or (to_uid",
        "if not s.uid or (to_uid",
        "delayed messages for a terminated agent",
    ),
    Mutant("deliver-uid", "messages", " or (to_uid ~= '' and to_uid ~= s.uid) then return 'NOAGENT' end\n  if cap", " then return 'NOAGENT' end\n  if cap", "a message for another life"),
    Mutant("deliver-terminated", "messages", "if not s.uid or s.state == 'terminated' or (to_uid", "if not s.uid or (to_uid", "a terminated agent takes messages"),
    Mutant("deliver-full", "messages", "if cap > 0 and", "if false and", "an inbox without a limit"),
    Mutant("deliver-want", "messages", "  want(to)\n", "", "nobody is told of a message"),
    Mutant("reply-cap", "messages", "body = body, error = failed}, 0)", "body = body, error = failed}, 1)", "replies meet the cap"),
    Mutant("reply-once", "messages", "'NX', 'EX', REPLY_SECONDS", "'EX', REPLY_SECONDS", "a person is answered twice"),
    Mutant("reply-asked", "messages", "if not wait or wait.status ~= 'asked' then", "if not wait then", "an agent is answered twice"),
    Mutant("reply-later", "messages", "  call('ZREM', P .. 'later', deadline_entry(debt.from, debt.fuid, debt.mid))\n", "", "deadlines of what was answered stay"),
    Mutant("want-doorbell", "prelude", "elseif added == 1 then call", "elseif false then call", "nobody rings for work"),
    Mutant("want-once", "prelude", "elseif added == 1 then", "else", "a ring for each message"),
    Mutant("want-publish", "prelude", "if s.holder ~= '' then call('PUBLISH'", "if false then call('PUBLISH'", "a resident is not woken"),
    Mutant("want-paused", "prelude", "s.uid and s.state ~= 'paused' and", "s.uid and", "a suspended agent wants a process"),
    Mutant("want-wake", "prelude", "or s.wake == '1' or", "or", "a wake without work is lost"),
    Mutant("want-turn", "prelude", "and (s.turn ~= '' or", "and (", "an open turn is no work"),
    # Debts.
    Mutant("owe-deadline", "messages", "  call('ZADD', P .. 'later', deadline, deadline_entry(agent, uid, message.mid))\n", "", "a debt without a deadline"),
    Mutant("drop-debt", "messages", "  call('HDEL', key(agent, 'owed'), mid)\n", "", "a debt that is paid stays"),
    Mutant("drop-deadline", "messages", "  call('HDEL', key(agent, 'owed'), mid)\n  call('ZREM', P .. 'later', deadline_entry(agent, uid, mid))\n", "  call('HDEL', key(agent, 'owed'), mid)\n", "the deadline of a paid debt stays"),
    Mutant("settle-held", "messages", "if held_back(debt, waits) and", "if false and", "an answer before the others'"),
    Mutant("settle-anyway", "messages", "and not anyway[debt.mid] then", "then", "a cancelled request is still owed"),
    Mutant("asked-back", "messages", "or wait.to ~= debt.from or wait.asked >= debt.taken then", "or true then", "who asks back waits for ever"),
    Mutant("asked-after", "messages", " or wait.asked >= debt.taken then", " then", "who asked first is answered before it knows"),
    Mutant("threads-apart", "messages", "if where == thread then list", "if true then list", "a thread waits for another's requests"),
    Mutant("debts-apart", "messages", "if not thread or debt.thread == thread then", "if true then", "an answer for another thread"),
    Mutant("take-deadline", "turns", ", tonumber(m.deadline or math.huge)))", "))", "longer owed than waited for"),
    Mutant("wait-deadline", "append", "    call('ZADD', P .. 'later', message.deadline, deadline_entry(agent, s.uid, mid))\n", "", "a wait without a deadline"),
    Mutant("wait-earlier", "append", "t + (debt.deadline - t) * 0.9", "t + (debt.deadline - t) * 9", "no time left to tell the person"),
    Mutant("ask-oneself", "append", "if to == agent then return 'NOAGENT' end", "", "an agent waits for itself"),
    Mutant("ask-limit", "append", ">= WAITS_LIMIT then", "< 0 then", "requests without a limit"),
    Mutant("reply-tool", "append", "if not debt then return 'NOREQUEST' end\n  pay(agent, s.uid, debt, body)", "if not debt then return 'NOREQUEST' end\n  reply(agent, s.uid, debt, body)", "answered early and still owed"),
    Mutant("acknowledge-waits", "turns", "if m.kind == 'reply' then call('HDEL', key(agent, 'waits'), m.re) end", "", "a request is open for ever"),
    Mutant("arrived-removes", "messages", "  arrived(debt.from, debt.mid, wait)\n", "  call('HDEL', key(debt.from, 'waits'), debt.mid)\n", "answered with a part"),
    # Turns.
    Mutant("one-thread", "turns", "if fields.thread ~= thread or (accept", "if (accept", "threads in one turn"),
    Mutant("join-people", "append", "return fields.fuid == '' end)", "return true end)", "agents join a turn"),
    Mutant("join-alone", "append", "if s.alone ~= '1' and s.state", "if s.state", "somebody joins poison"),
    Mutant("join-paused", "append", "and s.state == 'running' then", "then", "people join a turn that is to be the last"),
    Mutant("close-fields", "turns", "'cancel', '', 'alone', '')", "'cancel', '')", "the next turn stays alone"),
    Mutant("acknowledge-inbox", "turns", "  call('XDEL', key(agent, 'inbox'), unpack(ids))\n", "", "an inbox that only grows"),
    Mutant("leave-paused", "turns", "if s.state == 'paused' or s.state == 'terminated' then", "if s.state == 'terminated' then", "a suspended agent goes on"),
    Mutant("leave-evict", "turns", "if s.evict == '1' and (s.turn == '' or s.state == 'error') then", "if false then", "nobody leaves for others"),
    Mutant("evict-turn", "turns", "and (s.turn == '' or s.state == 'error') then", "then", "evicted in the middle of a turn"),
    Mutant("evict-error", "turns", "(s.turn == '' or s.state == 'error')", "s.turn == ''", "an agent in error keeps its slot"),
    Mutant("told-cancel", "turns", "s.cancel == s.turn and 1 or 0}", "0}", "the heir does not know of the cancel"),
    # Burying.
    Mutant("bury-never", "claim", "if attempt <= tonumber(ARGV[5]) then", "if true then", "poison is tried for ever"),
    Mutant("narrow-first", "claim", "if kept < #inputs then narrow(inputs, kept) else bury(inputs) end", "bury(inputs)", "the innocent are buried too"),
    Mutant("narrow-told", "claim", "return math.max(told, 1)", "return #inputs", "who joined unheard is buried too"),
    Mutant("narrow-setid", "claim", "  call('XGROUP', 'SETID', key(agent, 'inbox'), 'rt', inputs[kept])\n", "", "what went back is never read"),
    Mutant("narrow-debts", "claim", "if m.kind == 'request' then drop_debt(agent, s.uid, m.mid) end", "", "what went back is owed twice"),
    Mutant("narrow-alone", "claim", "'attempt', 1, 'alone', '1')", "'attempt', 1)", "somebody joins the suspects"),
    Mutant("count-error", "claim", "s.state == 'error' and 0 or 1", "1", "an outage buries messages"),
    Mutant("bury-tells", "claim", "if anyway[debt.mid] then pay(agent, s.uid, debt, why, true) end", "", "whoever asked with the reply is not told"),
    Mutant("bury-notice", "claim", "  if answered then\n", "  if false then\n", "a buried reply goes unheard"),
    Mutant("bury-settles", "claim", "    settle(agent, s.uid, s.thread, why, true, anyway)\n", "", "a buried request has no end"),
    Mutant("retire-gives-back", "retire", "call('HINCRBY', S, 'attempt', -1)", "call('HINCRBY', S, 'attempt', 0)", "a planned stop counts as a death"),
    # Control.
    Mutant("cancel-late", "ctl", "if s.turn == '' or s.turn ~= turn then return 'NOTURN' end", "if s.turn == '' then return 'NOTURN' end turn = s.turn", "a late cancel hits the next turn"),
    Mutant("ctl-terminated", "ctl", "elseif s.state == 'terminated' then\n  return 'OK'\n", "", "a terminated agent is paused and resumed"),
    Mutant("resume-paused", "ctl", "elseif op == 'resume' and s.state == 'paused' then", "elseif op == 'resume' then", "resume ends an error"),
    Mutant("resume-turn", "ctl", "s.turn ~= '' and 'running' or 'idle'", "'idle'", "a turn goes on in state idle"),
    Mutant("evict-nobody", "ctl", "elseif op == 'evict' and s.holder ~= '' then", "elseif op == 'evict' then", "the next one is evicted"),
    Mutant("wake-resident", "ctl", "elseif op == 'wake' and s.holder == '' then", "elseif op == 'wake' then", "a wake that nobody clears"),
    Mutant("claim-clears", "claim", "'evict', '0', 'wake', '0', 'emitted', 0)", "'emitted', 0)", "orders for the last one"),
    Mutant("terminate-bounce", "terminate", "bounce(agent, uid, why)\n", "", "whoever waits is not told"),
    Mutant("terminate-work", "terminate", "call('ZREM', P .. 'work', agent)\n", "", "a process for a terminated agent"),
    Mutant("delete-bounce", "delete", "bounce(agent, uid, 'agent ' .. agent .. ' was deleted')\n", "", "whoever waits is not told"),
    Mutant("delete-keys", "delete", "'waits', 'owed', 'dead',", "'waits',", "keys of a deleted agent stay"),
    Mutant("bounce-waits", "messages", "  for _, mid in ipairs(call('HKEYS', key(agent, 'waits'))) do\n    call('ZREM', P .. 'later', deadline_entry(agent, uid, mid))\n  end\n", "", "deadlines of a deleted agent stay"),
    Mutant("bounce-delayed", "messages", "if message.kind == 'request' then reply(agent, uid, message, why, true) end", "", "a delayed request has no end"),
    # What is due.
    Mutant("due-once", "due", "if not call('ZSCORE', P .. 'later', entry) then return 'NOOP' end", "", "a delayed message twice"),
    Mutant("due-full", "due", "if outcome == 'FULL' then return outcome end", "", "a full inbox swallows it"),
    Mutant("due-gone", "due", "if outcome == 'NOAGENT' and", "if false and", "a delayed request has no end"),
    Mutant("due-leaves", "due", "call('ZREM', P .. 'later', entry)", "", "it is due for ever"),
    Mutant("expire-asked", "expire", "and wait and wait.status == 'asked' then", "and wait then", "an answer and an error"),
    Mutant("expire-arrived", "expire", "  arrived(agent, mid, wait)\n", "", "an error each second"),
    Mutant("expire-leaves", "expire", "call('ZREM', P .. 'later', entry)", "", "due for ever"),
    Mutant("expire-uid", "expire", "if s.uid == uid and owed then", "if owed then", "another life's debt"),
    # Told.
    Mutant("enter-dirty", "prelude", "  event(agent, thread, snapshot(state, reason, message, turn))\n  mark_dirty(agent)\n", "  event(agent, thread, snapshot(state, reason, message, turn))\n", "the operator is not told of a state"),
    Mutant("fail-once", "fail", "and s.state ~= 'running' then return {'OK'} end", "and false then return {'OK'} end", "an error told twice"),
    Mutant("fail-paused", "fail", "s.state == 'paused' and 'paused' or 'error'", "'error'", "a suspended agent falls into error"),
)  # fmt: skip
