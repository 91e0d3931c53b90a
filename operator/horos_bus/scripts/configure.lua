-- Store what the operator projects of the spec. Operator only.
-- ARGV  agent, uid, generation, JSON text, milliseconds that a request may stay unanswered, lifetime, what the agent and
--       all its descendants may use in a day, of tokens and of cost ('' = no limit)
-- Returns OK; SAME when the text is stored already; OLD for a generation below the stored one; GONE for another uid.
local agent, generation = ARGV[1], tonumber(ARGV[3])
local s = state_of(agent, 'uid', 'generation')
if s.uid ~= ARGV[2] then return 'GONE' end
if s.generation and generation < tonumber(s.generation) then return 'OLD' end
if call('GET', key(agent, 'config')) == ARGV[4] then return 'SAME' end
call('SET', key(agent, 'config'), ARGV[4])
call('HSET', state_key(agent), 'generation', generation, 'request_ms', ARGV[5])
-- What few agents have takes no room in the others.
for i, field in ipairs({'lifetime', 'tree_tokens_limit', 'tree_cost_limit'}) do
  if ARGV[5 + i] ~= '' then call('HSET', state_key(agent), field, ARGV[5 + i])
  else call('HDEL', state_key(agent), field) end
end
call('HINCRBY', state_key(agent), 'version', 1)
mark_dirty(agent)
call('PUBLISH', key(agent, 'wake'), 'c')
return 'OK'
