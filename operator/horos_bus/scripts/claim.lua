-- Become the one process that speaks for the agent: a compare-and-set on the epoch.
-- KEYS  all of the agent (Keys.of)
-- ARGV  agent, uid, token, ticket (the epoch that the operator saw; '' = any), attempts allowed
-- Returns {OK, epoch, reason kept from state error or ''}; {GONE}; {STALE, epoch}. Repeated by the holder: OK again.
local agent, S = ARGV[1], state_key(ARGV[1])
local s = state_of(agent, 'uid', 'holder', 'epoch', 'state', 'reason', 'turn', 'thread')
if s.uid ~= ARGV[2] then return {'GONE'} end
local reason = s.state == 'error' and s.reason or ''
if s.holder == ARGV[3] then return {'OK', tonumber(s.epoch), reason} end
if ARGV[4] ~= '' and ARGV[4] ~= s.epoch then return {'STALE', tonumber(s.epoch)} end
local epoch = tonumber(s.epoch) + 1
call('HSET', S, 'epoch', epoch, 'holder', ARGV[3], 'evict', '0', 'emitted', 0)
custom(agent, '', 'resident', {epoch = epoch})
if s.turn ~= '' then
  -- BURYING (decision 11, with the next issue) belongs here, before any byte of the message reaches a process:
  -- when `attempt` passes ARGV[5]. Until then attempts are only counted and nothing is given up.
  -- In state error nobody was at work on the turn: nothing speaks against its messages.
  local attempt = call('HINCRBY', S, 'attempt', s.state == 'error' and 0 or 1)
  custom(agent, s.thread, 'resumed', {runId = s.turn, attempt = attempt})
end
mark_dirty(agent)
return {'OK', epoch, reason}
