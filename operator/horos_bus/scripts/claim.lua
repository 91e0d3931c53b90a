-- NEEDS elicitations messages groups approvals debts endings turns usage
-- Become the one process that speaks for the agent: a compare-and-set on the epoch. A turn that has used up its
-- attempts is given up here, before any byte of its messages reaches another process.
-- ARGV  agent, uid, token, ticket (the epoch that the operator saw; '' = any), attempts allowed
-- Returns {OK, epoch, reason kept from state error or ''}; {GONE}; {STALE, epoch}. Repeated by the holder: OK again.
local agent, S = ARGV[1], state_key(ARGV[1])
local s = state_of(agent, 'uid', 'holder', 'epoch', 'state', 'reason', 'turn', 'thread', 'inputs', 'untold', 'attempt')
if s.uid ~= ARGV[2] then return {'GONE'} end
local reason = s.state == 'error' and s.reason or ''
if s.holder == ARGV[3] then return {'OK', tonumber(s.epoch), reason} end
if ARGV[4] ~= '' and ARGV[4] ~= s.epoch then return {'STALE', tonumber(s.epoch)} end

local function mids_of(contents)
  local mids = {}
  for i, m in ipairs(contents) do mids[i] = m.mid end
  return mids
end

-- What the model was told of, which is always the beginning; if nothing was, the first message.
local function suspects(inputs)
  local told = #inputs - #words(s.untold)
  return math.max(told, 1)
end

-- Try again with those alone; what came after them goes back to the inbox, unread and not owed.
local function narrow(inputs, kept)
  local back = {}
  for i = kept + 1, #inputs do back[#back + 1] = inputs[i] end
  local _, contents = entries_of(agent, back)
  local _, suspected = entries_of(agent, {inputs[1], inputs[kept]})
  call('HSET', S, 'inputs', table.concat(inputs, ' ', 1, kept), 'untold', s.untold == s.inputs and inputs[1] or '',
    'attempt', 1, 'alone', '1', 'hops', hops_of(suspected))
  for _, m in ipairs(contents) do
    if OWED[m.kind] then drop_debt(agent, s.uid, m.mid) end
  end
  call('XACK', key(agent, 'inbox'), 'rt', unpack(back))
  call('XGROUP', 'SETID', key(agent, 'inbox'), 'rt', inputs[kept])
  custom(agent, s.thread, 'returned', {runId = s.turn, mids = mids_of(contents)})
end

local could_not_be_read = {
  reply = function(m) return 'The reply of ' .. m.from .. ' to request ' .. m.re .. ' could not be read: ' end,
  decision = function(m)
    return 'The decision about approval ' .. m.re .. ' (' .. m.verdict .. ') could not be acted on to the end; whether '
      .. 'the call took effect is unknown: '
  end,
}

-- Dead letters: the turn ends, whoever asked gets an error, and the partial journal stays.
local function bury(inputs)
  local why = 'agent ' .. agent .. ' died in ' .. ARGV[5] .. ' attempts at this message; it was given up'
  local _, contents = entries_of(agent, inputs)
  local said = {body = why, failed = true}
  local anyway, lost = {}, {}
  for _, m in ipairs(contents) do
    call('XADD', key(agent, 'dead'), 'MAXLEN', '~', DEAD_KEPT, '*', 'mid', m.mid, 'from', m.from, 'fuid', m.fuid,
      'thread', m.thread, 'kind', m.kind, 're', m.re, 'body', m.body, 'reason', why, 'turn', s.turn,
      'attempts', ARGV[5])
    anyway[m.mid] = true
    if m.kind == 'reply' or m.kind == 'decision' then lost[#lost + 1] = m end
  end
  acknowledge(agent, inputs, contents)
  if #lost > 0 then
    -- What it waited for went with them: the agent must hear of it, or what it owes there would never be answered.
    local own = {}
    for _, debt in ipairs(debts(agent, s.thread)) do
      if anyway[debt.mid] then own[#own + 1] = debt end
    end
    pay(agent, s.uid, own, said)
    for _, m in ipairs(lost) do
      deliver(agent, s.uid, {mid = m.mid .. '!dead', from = agent, fuid = s.uid, thread = s.thread, kind = 'notice',
        re = '', body = could_not_be_read[m.kind](m) .. why}, 0)
    end
  else
    settle(agent, s.uid, s.thread, said, anyway)
  end
  custom(agent, s.thread, 'dead', {runId = s.turn, mids = mids_of(contents), reason = why})
  event(agent, s.thread, {type = 'RUN_ERROR', message = why, code = 'Buried'})
  close_turn(agent, s.state, s.turn, s.thread)
  finish(agent)
end

local epoch = tonumber(s.epoch) + 1
call('HSET', S, 'epoch', epoch, 'holder', ARGV[3], 'evict', '0', 'wake', '0', 'emitted', 0, 'charged', 0,
  'claimed', now(), 'rested', now())
-- What the last call of a dead process used is not known: what was reserved for it stays charged.
keep_reserved(agent)
drop_elicitations(agent)
-- Another process was connected, this one is not yet. (Its user has no right to delete a key.)
call('PEXPIRE', key(agent, 'servers'), 0)
custom(agent, '', 'resident', {epoch = epoch})
if s.turn ~= '' then
  -- In state error nobody was at work on the turn: nothing speaks against its messages.
  local attempt = call('HINCRBY', S, 'attempt', s.state == 'error' and 0 or 1)
  if attempt <= tonumber(ARGV[5]) then
    custom(agent, s.thread, 'resumed', {runId = s.turn, attempt = attempt})
  else
    local inputs = words(s.inputs)
    local kept = suspects(inputs)
    if kept < #inputs then narrow(inputs, kept) else bury(inputs) end
    want(agent)
  end
end
mark_dirty(agent)
return {'OK', epoch, reason}
