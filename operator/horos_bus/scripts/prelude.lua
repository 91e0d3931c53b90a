-- Joined in front of every script: keys, time, events, and the few rules that more than one script applies.
-- KEYS[1] is the namespace's prefix; all other keys share its slot. Bodies and records stay opaque strings,
-- except that a record's `role`, `mid`, `tool_call_id` and `content` are read where an event or an input needs them.
-- Inside a script all checks come first, and the first write is a deny-oom command, since Lua does not roll back.
local P = KEYS[1]
local call = redis.call
local EVENTS_KEPT = 5000
local DOORBELL_KEPT = 1000
local REPLY_SECONDS = 3600
local HEAD_RUN = 64

local function key(agent, part) return P .. 'a:' .. agent .. ':' .. part end
local function context_key(agent, thread) return key(agent, 't:' .. thread .. ':context') end
local function state_key(agent) return key(agent, 'state') end

local function now()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
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

local function wakeable(agent, s)
  return s.uid and s.state ~= 'paused' and s.state ~= 'terminated'
    and (s.turn ~= '' or call('XLEN', key(agent, 'inbox')) > 0)
end

local function state_of(agent, ...)
  local names, s = {...}, {}
  local values = call('HMGET', state_key(agent), ...)
  for i, name in ipairs(names) do s[name] = values[i] end
  return s
end

-- Called by every script that may change the answer, except by the holder about itself (see `rest`).
local function want(agent)
  local s = state_of(agent, 'uid', 'holder', 'state', 'turn')
  if not wakeable(agent, s) then call('ZREM', P .. 'work', agent) return end
  local added = call('ZADD', P .. 'work', 'NX', now(), agent)
  if s.holder ~= '' then call('PUBLISH', key(agent, 'wake'), 'm')
  elseif added == 1 then call('XADD', P .. 'doorbell', 'MAXLEN', '~', DOORBELL_KEPT, '*', 'a', agent) end
end

-- The same for a holder that is looking right now: nobody has to be told.
local function rest(agent)
  if wakeable(agent, state_of(agent, 'uid', 'state', 'turn')) then call('ZADD', P .. 'work', 'NX', now(), agent)
  else call('ZREM', P .. 'work', agent) end
end

-- Messages ------------------------------------------------------------------------------------------------------

-- message: mid, from, fuid, thread, kind, re, body. cap 0 = never full. OK, FULL or NOAGENT.
local function deliver(to, to_uid, message, cap)
  local s = state_of(to, 'uid', 'state')
  if not s.uid or s.state == 'terminated' or (to_uid ~= '' and to_uid ~= s.uid) then return 'NOAGENT' end
  if cap > 0 and call('XLEN', key(to, 'inbox')) >= cap then return 'FULL' end
  call('XADD', key(to, 'inbox'), '*', 'mid', message.mid, 'from', message.from, 'fuid', message.fuid,
    'thread', message.thread, 'kind', message.kind, 're', message.re, 'body', message.body)
  want(to)
  return 'OK'
end

-- message as in `deliver`, of kind reply; with `error` its body says why there is no answer. To a person (to_uid '')
-- it becomes a key that expires, JSON {"text": ..} or {"error": ..}; to an agent an inbox entry that never meets the
-- cap. Accepted once for each request: OK or LATE (or NOAGENT).
local function reply(to, to_uid, message)
  if to_uid == '' then
    local name = P .. 'r:' .. message.re
    local ending = cjson.encode({[message.error and 'error' or 'text'] = message.body})
    if not call('SET', name, ending, 'NX', 'EX', REPLY_SECONDS) then return 'LATE' end
    call('PUBLISH', name, '1')
    return 'OK'
  end
  local thread, asked = string.match(call('HGET', key(to, 'waits'), message.re) or '', '^(%S+) (%S+) asked$')
  if not thread then return 'LATE' end
  local outcome = deliver(to, to_uid, message, 0)
  if outcome == 'OK' then call('HSET', key(to, 'waits'), message.re, thread .. ' ' .. asked .. ' arrived') end
  return outcome
end

-- Turns -------------------------------------------------------------------------------------------------------

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

-- Entries after the id `after` ('-' = from the head) that lie in one thread without a break and please `accept`.
local function head_run(agent, after, thread, accept)
  local start = after == '-' and '-' or '(' .. after
  local run = {}
  for _, entry in ipairs(call('XRANGE', key(agent, 'inbox'), start, '+', 'COUNT', HEAD_RUN)) do
    local fields = fields_of(entry)
    thread = thread or fields.thread
    if fields.thread ~= thread or (accept and not accept(fields)) then break end
    run[#run + 1] = entry
  end
  return run, thread
end

-- Make the consumer group know that these entries, the next ones unread, are in work.
local function take(agent, run)
  call('XREADGROUP', 'GROUP', 'rt', 'self', 'COUNT', #run, 'STREAMS', key(agent, 'inbox'), '>')
  local ids, mids = {}, {}
  for i, entry in ipairs(run) do ids[i] = entry[1] mids[i] = fields_of(entry).mid end
  return table.concat(ids, ' '), mids
end

local function entries_of(agent, ids)
  if #ids == 0 then return {} end
  return call('XRANGE', key(agent, 'inbox'), ids[1], ids[#ids])
end

-- Only the records that can matter are decoded; text that is not JSON is none of them.
local function decoded(record, mark)
  if not string.find(record, mark, 1, true) then return nil end
  local fine, value = pcall(cjson.decode, record)
  if fine and type(value) == 'table' then return value end
  return nil
end

-- Append records to the open turn's journal, the first of them at absolute index `ix`. Tells of tool results, and
-- returns the mids of the inputs that now have their user record.
local function journal(agent, turn, thread, ix, records)
  local told = {}
  for i, record in ipairs(records) do
    call('RPUSH', context_key(agent, thread), record)
    local result = decoded(record, '"role":"tool"')
    if result and type(result.content) == 'string' and type(result.tool_call_id) == 'string' then
      event(agent, thread, {type = 'TOOL_CALL_RESULT', messageId = turn .. '/' .. (ix + i - 1),
        toolCallId = result.tool_call_id, content = result.content, role = 'tool'})
    end
    local input = decoded(record, '"mid":')
    if input and type(input.mid) == 'string' then told[input.mid] = true end
  end
  return told
end

local function slice(from, count)
  local list = {}
  for i = from, from + count - 1 do list[#list + 1] = ARGV[i] end
  return list
end

-- The open turn, or the next one opened now: what `next` and `commit` return.
local function open_turn(agent)
  local S = state_key(agent)
  local s = state_of(agent, 'state', 'turn', 'thread', 'inputs', 'base', 'attempt', 'version', 'evict')
  if s.state == 'paused' then rest(agent) return {'LEAVE', 'paused'} end
  -- In state error the turn is open for as long as the cause lasts, and a new pod may be the cure.
  if s.evict == '1' and (s.turn == '' or s.state == 'error') then rest(agent) return {'LEAVE', 'evict'} end
  if s.turn == '' then
    local run, thread = head_run(agent, '-')
    if #run == 0 then rest(agent) return {'EMPTY', tonumber(s.version)} end
    call('HSETNX', key(agent, 'threads'), thread, 0)
    local inputs, mids = take(agent, run)
    local _, base = bounds(agent, thread)
    s.turn, s.thread, s.inputs, s.base, s.attempt = run[1][1], thread, inputs, base, 1
    call('HSET', S, 'turn', s.turn, 'thread', thread, 'inputs', inputs, 'untold', inputs, 'base', base, 'attempt', 1)
    event(agent, thread, {type = 'RUN_STARTED', threadId = thread, runId = s.turn,
      metadata = {mids = mids, attempt = 1}})
    enter(agent, 'running', '', '', s.turn, thread)
  elseif s.state ~= 'running' then
    enter(agent, 'running', '', '', s.turn, s.thread)
  end
  call('ZADD', P .. 'work', 'NX', now(), agent)
  local first = bounds(agent, s.thread)
  local records = call('LRANGE', context_key(agent, s.thread), s.base - first, -1)
  return {'TURN', s.turn, s.thread, tonumber(s.base), tonumber(s.attempt), tonumber(s.version),
    entries_of(agent, words(s.inputs)), records}
end
