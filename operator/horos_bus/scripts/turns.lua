-- Joined behind messages.lua: what the open turn is made of.

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

-- Make the consumer group know that these entries, the next ones unread, are in work; their requests are owed now.
local function take(agent, run)
  call('XREADGROUP', 'GROUP', 'rt', 'self', 'COUNT', #run, 'STREAMS', key(agent, 'inbox'), '>')
  local s = state_of(agent, 'uid', 'request_ms')
  local ids, mids = {}, {}
  for i, entry in ipairs(run) do
    local m = fields_of(entry)
    ids[i], mids[i] = entry[1], m.mid
    if m.kind == 'request' then
      owe(agent, s.uid, m, math.min(now() + s.request_ms, tonumber(m.deadline or math.huge)))
    end
  end
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

-- Mids of the inputs that these records tell the model of.
local function heard(records)
  local told = {}
  for _, record in ipairs(records) do
    local input = decoded(record, '"mid":')
    if input and type(input.mid) == 'string' then told[input.mid] = true end
  end
  return told
end

-- Those entries of the inbox that no user record tells of.
local function unheard(agent, ids, told)
  local list = {}
  for _, entry in ipairs(entries_of(agent, ids)) do
    if not told[fields_of(entry).mid] then list[#list + 1] = entry end
  end
  return list
end

-- Append records to the open turn's journal, the first of them at absolute index `ix`, and tell of tool results.
local function journal(agent, turn, thread, ix, records)
  for i, record in ipairs(records) do
    call('RPUSH', context_key(agent, thread), record)
    local result = decoded(record, '"role":"tool"')
    if result and type(result.content) == 'string' and type(result.tool_call_id) == 'string' then
      event(agent, thread, {type = 'TOOL_CALL_RESULT', messageId = turn .. '/' .. (ix + i - 1),
        toolCallId = result.tool_call_id, content = result.content, role = 'tool'})
    end
  end
end

-- The inputs leave the inbox; the replies among them are no longer waited for.
local function acknowledge(agent, ids)
  for _, entry in ipairs(entries_of(agent, ids)) do
    local m = fields_of(entry)
    if m.kind == 'reply' then call('HDEL', key(agent, 'waits'), m.re) end
  end
  call('XACK', key(agent, 'inbox'), 'rt', unpack(ids))
  call('XDEL', key(agent, 'inbox'), unpack(ids))
end

-- No turn is open any more; a paused agent stays paused.
local function close_turn(agent, state, turn, thread)
  call('HSET', state_key(agent), 'turn', '', 'thread', '', 'inputs', '', 'untold', '', 'last', turn, 'attempt', 0,
    'cancel', '', 'alone', '')
  if state == 'running' or state == 'error' then enter(agent, 'idle', '', '', '', thread) else mark_dirty(agent) end
end

local function slice(from, count)
  local list = {}
  for i = from, from + count - 1 do list[#list + 1] = ARGV[i] end
  return list
end

-- The open turn, or the next one opened now: what `next` and `commit` return.
local function open_turn(agent)
  local S = state_key(agent)
  local s = state_of(agent, 'state', 'turn', 'thread', 'inputs', 'base', 'attempt', 'version', 'evict', 'cancel')
  if s.state == 'paused' or s.state == 'terminated' then rest(agent) return {'LEAVE', s.state} end
  -- In state error the turn is open for as long as the cause lasts, and a new pod may be the cure.
  if s.evict == '1' and (s.turn == '' or s.state == 'error') then rest(agent) return {'LEAVE', 'evict'} end
  if s.turn == '' then
    local run, thread = head_run(agent, '-')
    if #run == 0 then rest(agent) return {'EMPTY', tonumber(s.version)} end
    call('HSETNX', key(agent, 'threads'), thread, 0)
    local inputs, mids = take(agent, run)
    local _, base = bounds(agent, thread)
    s.turn, s.thread, s.inputs, s.base, s.attempt, s.cancel = run[1][1], thread, inputs, base, 1, ''
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
    entries_of(agent, words(s.inputs)), records, s.cancel == s.turn and 1 or 0}
end
