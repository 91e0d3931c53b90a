-- NEEDS elicitations messages approvals
-- A person decides about a call that waits for it, or answers what a tool server asks.
-- ARGV  agent, id, verdict (approve | deny), who, reason, values that a tool server asked for (JSON text or '')
-- Returns {DECIDED | ALREADY, call | elicitation, what is stored as JSON}; {NONE} when nothing of this id is open, nor
-- was lately; {NOAGENT}. Repeated: ALREADY, with who decided, and how. An approval whose time is over is denied,
-- whether or not somebody has looked at `later` yet.
local agent, id, verdict, who, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local s = state_of(agent, 'uid', 'state')
if not s.uid or s.state == 'terminated' then return {'NOAGENT'} end
local status = verdict == 'approve' and 'approved' or 'denied'

local function answer(asked)
  if asked.status == 'withdrawn' then return {'NONE'} end
  if asked.status ~= 'pending' then return {'ALREADY', 'elicitation', cjson.encode(asked)} end
  if now() >= asked.deadline then return {'NONE'} end
  asked.status, asked.who, asked.reason, asked.content, asked.decided = status, who, reason, ARGV[6], now()
  call('HSET', key(agent, 'elicitations'), id, cjson.encode(asked))
  custom(agent, asked.thread, 'elicitation', outcome_of(id, asked))
  mark_dirty(agent)
  call('PUBLISH', key(agent, 'wake'), 'c')
  return {'DECIDED', 'elicitation', cjson.encode(asked)}
end

local elicited = elicitation_of(agent, id)
if elicited then return answer(elicited) end
local asked = approval_of(agent, id)
if not asked then
  local remembered = call('GET', P .. 'd:' .. id)
  if not remembered then return {'NONE'} end
  return {'ALREADY', 'call', remembered}
end
if asked.status ~= 'pending' then return {'ALREADY', 'call', without_call(asked)} end
if now() >= asked.deadline then
  return {'ALREADY', 'call', conclude(agent, s.uid, id, asked, 'expired', '', UNDECIDED)}
end
return {'DECIDED', 'call', conclude(agent, s.uid, id, asked, status, who, reason)}
