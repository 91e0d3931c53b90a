-- Joined behind turns.lua and posting.lua: what a step does on the bus, by the kind of the effect. Each function takes
-- the step (see `step_of`), the id of the effect, four words and the body, and returns the outcome that chooses the
-- result record, and for a post what its record is filled in with.
local NAMES_TOLD = 20
local effects = {}

-- What append knows of the turn: agent, turn, cap, uid, thread, request_ms; hops of its inputs; how many messages the
-- agent has sent in this minute of the clock; its limits, which programs that measure raise (fields of state).
local function step_of(agent, turn, cap, s)
  local minute, sent = math.floor(now() / 60000), tonumber(s.sent or 0)
  return {agent = agent, turn = turn, cap = cap, uid = s.uid, thread = s.thread, request_ms = s.request_ms,
    hops = tonumber(s.hops or 0), minute = minute, sent = tonumber(s.minute or 0) == minute and sent or 0,
    hops_limit = tonumber(s.hops_limit or HOPS_LIMIT), sends_limit = tonumber(s.sends_limit or SENDS_PER_MINUTE)}
end

-- Why nothing more is sent: LOOP, RATE; nil when it may be.
local function refused(step, delay)
  if delay < NEW_CHAIN and step.hops >= step.hops_limit then return 'LOOP' end
  return step.sent >= step.sends_limit and 'RATE' or nil
end

local function hops_after(step, delay) return delay < NEW_CHAIN and step.hops + 1 or nil end

-- To an agent, in `delay` milliseconds. OK, FULL, NOAGENT, LOOP, RATE; for a request LIMIT, too.
-- An agent that asked itself would wait for itself: no later turn would leave nothing open.
function effects.send(step, mid, to, thread, kind, delay, body)
  local asks, agent = kind == 'request', step.agent
  delay = tonumber(delay)
  if asks and to == agent then return 'NOAGENT' end
  if asks and call('HLEN', key(agent, 'waits')) >= WAITS_LIMIT then return 'LIMIT' end
  local why = refused(step, delay)
  if why then return why end
  local message = {mid = mid, from = agent, fuid = step.uid, thread = thread, kind = kind, re = '', body = body,
    hops = hops_after(step, delay), deadline = asks and give_up_at(agent, step.thread, step.request_ms, delay) or nil}
  local outcome = delay > 0 and put_off(to, '', message, step.cap, delay)
    or delay == 0 and deliver(to, '', message, step.cap)
  if outcome ~= 'OK' then return outcome end
  step.sent = step.sent + 1
  if asks then
    wait_for(agent, mid, step.thread, stamp(), to)
    call('ZADD', P .. 'later', message.deadline, deadline_entry(agent, step.uid, mid))
  end
  return 'OK'
end

-- An early answer to the request `re`. OK or NOREQUEST.
function effects.reply(step, _, re, _, _, _, body)
  local debt = debt_of(re, call('HGET', key(step.agent, 'owed'), re))
  if not debt then return 'NOREQUEST' end
  pay(step.agent, step.uid, {debt}, {body = body, hops = step.hops + 1})
  return 'OK'
end

-- The call waits for a person, the turn does not: the decision comes as a message. OK or LIMIT.
function effects.approve(step, id, tool, milliseconds, arguments, _, text)
  if call('HLEN', key(step.agent, 'approvals')) >= APPROVALS_LIMIT then return 'LIMIT' end
  ask_approval(step.agent, step.uid, id, {thread = step.thread, turn = step.turn, tool = tool, arguments = arguments,
    call = text, deadline = give_up_at(step.agent, step.thread, milliseconds, 0)})
  return 'OK'
end

-- To the operator; see `order`. It counts as a message sent.
function effects.order(step, mid, name, kind, _, _, body)
  local why = refused(step, 0)
  if why then return why end
  local outcome = order(step, mid, kind, name, body)
  if outcome == 'OK' then step.sent = step.sent + 1 end
  return outcome
end

local function listed(names)
  local shown = #names > 0 and table.concat(names, ', ', 1, math.min(#names, NAMES_TOLD)) or 'nobody'
  return #names > NAMES_TOLD and shown .. ' and ' .. (#names - NAMES_TOLD) .. ' more' or shown
end

-- To a group, in `delay` milliseconds; `mentions` are names. OK; OUTSIDE, which is OK for somebody who is no member, and
-- will not read the answers; NOGROUP, LOOP, RATE.
-- What begins within the limit of a minute is not cut in two.
function effects.post(step, mid, name, mentions, _, delay, body)
  delay = tonumber(delay)
  local group = group_of(name, '')
  if not group then return 'NOGROUP' end
  local why = refused(step, delay)
  if why then return why end
  local post = {mid = mid, from = step.agent, fuid = step.uid, who = '', body = body, mentions = mentions,
    hops = hops_after(step, delay)}
  local outcome = is_member(name, step.agent) and 'OK' or 'OUTSIDE'
  if delay > 0 then
    post.guid, post.cap = group.uid, step.cap
    call('ZADD', P .. 'later', now() + delay, delayed_post(name, post))
    step.sent = step.sent + 1 + #words(mentions)
    return outcome
  end
  local _, woken, full, strangers = post_to(group, post, step.cap)
  step.sent = step.sent + 1 + #woken
  return outcome, {WOKEN = listed(woken), FULL = listed(full), STRANGERS = listed(strangers)}
end

-- The result record with names in the places that are left for them: %WOKEN%, %FULL%, %STRANGERS%. Names need no escape
-- in JSON.
local function filled(record, told)
  return told and (string.gsub(record, '%%(%u+)%%', told)) or record
end
