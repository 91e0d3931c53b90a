-- Joined behind debts.lua: what the open turn is made of.

-- Entries after the id `after` ('-' = from the head) that lie in one thread without a break and please `accept`;
-- their fields; the thread.
local function head_run(agent, after, thread, accept)
  local start = after == '-' and '-' or '(' .. after
  local run, contents = {}, {}
  for _, entry in ipairs(call('XRANGE', key(agent, 'inbox'), start, '+', 'COUNT', HEAD_RUN)) do
    local fields = fields_of(entry)
    thread = thread or fields.thread
    if fields.thread ~= thread or (accept and not accept(fields)) then break end
    run[#run + 1], contents[#run + 1] = entry, fields
  end
  return run, contents, thread
end

-- Make the consumer group know that these entries, the next ones unread, are in work; their requests are owed now.
-- Returns their ids, and the list of their mids.
local function take(agent, run, contents)
  call('XREADGROUP', 'GROUP', 'rt', 'self', 'COUNT', #run, 'STREAMS', key(agent, 'inbox'), '>')
  local s = state_of(agent, 'uid', 'request_ms')
  local ids, mids = {}, {}
  for i, m in ipairs(contents) do
    ids[i], mids[i] = run[i][1], m.mid
    if OWED[m.kind] then
      owe(agent, s.uid, m, math.min(now() + s.request_ms, tonumber(m.deadline or math.huge)))
    end
  end
  return table.concat(ids, ' '), mids
end

-- The entries with these ids, which lie next to each other, and their fields.
local function entries_of(agent, ids)
  if #ids == 0 then return {}, {} end
  local entries, contents = call('XRANGE', key(agent, 'inbox'), ids[1], ids[#ids]), {}
  for i, entry in ipairs(entries) do contents[i] = fields_of(entry) end
  return entries, contents
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

-- Those entries that no user record tells of.
local function unheard(entries, contents, told)
  local list = {}
  for i, entry in ipairs(entries) do
    if not told[contents[i].mid] then list[#list + 1] = entry end
  end
  return list
end

-- Append records to the open turn's journal, the first of them at absolute index `ix`, and tell of tool results.
local function journal(agent, turn, thread, ix, records)
  if #records > 0 then call('RPUSH', context_key(agent, thread), unpack(records)) end
  for i, record in ipairs(records) do
    local result = decoded(record, '"role":"tool"')
    if result and type(result.content) == 'string' and type(result.tool_call_id) == 'string' then
      event(agent, thread, {type = 'TOOL_CALL_RESULT', messageId = turn .. '/' .. (ix + i - 1),
        toolCallId = result.tool_call_id, content = result.content, role = 'tool'})
    end
  end
end

-- The inputs leave the inbox; the replies and decisions among them are no longer waited for, and what mentions point to
-- is read.
local function acknowledge(agent, ids, contents)
  for _, m in ipairs(contents) do
    if m.kind == 'mention' then read_up_to(agent, m.group, m.guid, m.re) end
    if m.kind == 'reply' then call('HDEL', key(agent, 'waits'), m.re) end
    if m.kind == 'decision' then call('HDEL', key(agent, 'approvals'), m.re) end
  end
  call('XACK', key(agent, 'inbox'), 'rt', unpack(ids))
  call('XDEL', key(agent, 'inbox'), unpack(ids))
end

-- How many messages led to these, each to the next, since a person wrote.
local function hops_of(contents)
  local most = 0
  for _, m in ipairs(contents) do most = math.max(most, tonumber(m.hops or 0)) end
  return most
end

-- No turn is open any more; a paused agent stays paused. `rested`: since when it has nothing to do, if it has nothing.
local function close_turn(agent, state, turn, thread)
  call('HSET', state_key(agent), 'turn', '', 'thread', '', 'inputs', '', 'untold', '', 'last', turn, 'attempt', 0,
    'cancel', '', 'alone', '', 'rested', now())
  drop_elicitations(agent)
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
  local first, length, entries
  if s.turn == '' then
    local run, contents, thread = head_run(agent, '-')
    if #run == 0 then rest(agent) return {'EMPTY', tonumber(s.version)} end
    call('HSETNX', key(agent, 'threads'), thread, 0)
    local inputs, mids = take(agent, run, contents)
    first, length = bounds(agent, thread)
    entries, s.turn, s.thread, s.base, s.attempt, s.cancel = run, run[1][1], thread, length, 1, ''
    call('HSET', S, 'turn', s.turn, 'thread', thread, 'inputs', inputs, 'untold', inputs, 'base', length, 'attempt', 1,
      'hops', hops_of(contents))
    event(agent, thread, {type = 'RUN_STARTED', threadId = thread, runId = s.turn,
      metadata = {mids = mids, attempt = 1}})
  else
    first, length = bounds(agent, s.thread)
    entries = entries_of(agent, words(s.inputs))
  end
  if s.state ~= 'running' then enter(agent, 'running', '', '', s.turn, s.thread) end
  call('ZADD', P .. 'work', 'NX', now(), agent)
  local base = tonumber(s.base)
  local records = base < length and call('LRANGE', context_key(agent, s.thread), base - first, -1) or {}
  return {'TURN', s.turn, s.thread, base, tonumber(s.attempt), tonumber(s.version), entries, records,
    s.cancel == s.turn and 1 or 0}
end
