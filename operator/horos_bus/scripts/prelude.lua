-- Joined in front of every script: keys, time, events, who needs a process, who holds the agent. Scripts whose first
-- line says `NEEDS messages` or `NEEDS messages turns` get those files behind it, in this order.
-- The one key declared is the namespace's prefix; all others begin with it and share its slot. Bodies and records
-- stay opaque strings, except that a record's `role`, `mid`, `tool_call_id` and `content` are read where an event or
-- an input needs them.
-- Inside a script all checks come first, and the first write is a deny-oom command, since Lua does not roll back.
local P = KEYS[1]
local call = redis.call
local EVENTS_KEPT = 5000
local DOORBELL_KEPT = 1000
local DEAD_KEPT = 1000
local WAITS_LIMIT = 100
local REPLY_SECONDS = 3600
local HEAD_RUN = 64
-- Two agents that always answer each other end here: so many messages have led each to the next since a person wrote.
local HOPS_LIMIT = 100
-- A message that is delayed for so long (milliseconds) begins to count anew: a note for tomorrow is no ping-pong.
local NEW_CHAIN = 60000
-- How many messages an agent may send within one minute of the clock; a post counts one more for each whom it wakes.
local SENDS_PER_MINUTE = 120

local function key(agent, part) return P .. 'a:' .. agent .. ':' .. part end
local function context_key(agent, thread) return key(agent, 't:' .. thread .. ':context') end
local function results_key(agent, thread) return key(agent, 't:' .. thread .. ':results') end
local function state_key(agent) return key(agent, 'state') end

-- One moment for the whole script.
local moment
local function time()
  moment = moment or call('TIME')
  return moment
end

local function now()
  local t = time()
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Microseconds, to tell which of two scripts ran first.
local function stamp()
  local t = time()
  return string.format('%d%06d', t[1], t[2])
end

local function words(text)
  local list = {}
  for word in string.gmatch(text, '%S+') do list[#list + 1] = word end
  return list
end

local function fields_of(entry)
  local fields = {}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  return fields
end

-- Events: one JSON object each, with its thread ('' = the agent as a whole). -------------------------------------

local function write_event(agent, thread, json)
  call('XADD', key(agent, 'events'), 'MAXLEN', '~', EVENTS_KEPT, '*', 'e', json, 't', thread)
end

local function event(agent, thread, fields) write_event(agent, thread, cjson.encode(fields)) end

local function custom(agent, thread, name, value)
  event(agent, thread, {type = 'CUSTOM', name = name, value = value})
end

-- The operator's status must be looked at again.
local function mark_dirty(agent) call('ZADD', P .. 'dirty', now(), agent) end

-- What became of something that a person was asked, as watchers read it.
local function outcome_of(id, asked)
  return {id = id, tool = asked.tool, status = asked.status, who = asked.who, reason = asked.reason}
end

local function snapshot(state, reason, message, turn)
  local value = {state = state}
  if reason ~= '' then value.reason = reason end
  if message ~= '' then value.message = message end
  if turn ~= '' then value.runId = turn end
  return {type = 'STATE_SNAPSHOT', snapshot = value}
end

-- Store a change of state, tell the watchers and the operator.
local function enter(agent, state, reason, message, turn, thread)
  call('HSET', state_key(agent), 'state', state, 'reason', reason, 'message', message)
  event(agent, thread, snapshot(state, reason, message, turn))
  mark_dirty(agent)
end

-- Work: the only place that decides whether an agent needs a process. -------------------------------------------

-- Why: an open turn, an order, a message; nil when there is nothing to do.
local function wakeable(agent, s)
  if not s.uid or s.state == 'paused' or s.state == 'terminated' then return nil end
  return s.turn ~= '' and 'turn' or s.wake == '1' and 'order'
    or call('XLEN', key(agent, 'inbox')) > 0 and 'message' or nil
end

local function state_of(agent, ...)
  local names, s = {...}, {}
  local values = call('HMGET', state_key(agent), ...)
  for i, name in ipairs(names) do s[name] = values[i] end
  return s
end

local function ring(agent) call('XADD', P .. 'doorbell', 'MAXLEN', '~', DOORBELL_KEPT, '*', 'a', agent) end

-- The agent could give its slot away: the operator must look, if somebody waits for one.
-- `crowded` says that, since agents may not read `queue`.
local function offer(agent)
  if call('EXISTS', P .. 'crowded') == 1 then ring(agent) end
end

local function needs_no_process(agent)
  if call('ZREM', P .. 'work', agent) == 1 then offer(agent) end
end

-- Called by every script that may change the answer, except by the holder about itself (see `rest`).
local function want(agent)
  local s = state_of(agent, 'uid', 'holder', 'state', 'turn', 'wake')
  local reason = wakeable(agent, s)
  if not reason then needs_no_process(agent) return end
  local added = call('ZADD', P .. 'work', 'NX', now(), agent)
  if s.holder ~= '' then call('PUBLISH', key(agent, 'wake'), 'm')
  elseif added == 1 then
    ring(agent)
    custom(agent, '', 'wake', {reason = reason})
  end
end

-- The same for a holder that is looking right now: nobody has to be told.
local function rest(agent)
  local s = state_of(agent, 'uid', 'state', 'turn', 'wake')
  if wakeable(agent, s) then call('ZADD', P .. 'work', 'NX', now(), agent) else needs_no_process(agent) end
end

-- Nil when this token holds the agent, else what to answer.
local function guard(agent, token)
  local holder = call('HGET', state_key(agent), 'holder')
  if holder == token then return nil end
  return {'FENCED', holder or ''}
end

-- Absolute index of a thread's oldest record, and of the one after its newest.
local function bounds(agent, thread)
  local first = tonumber(call('HGET', key(agent, 'threads'), thread) or 0)
  return first, first + call('LLEN', context_key(agent, thread))
end
