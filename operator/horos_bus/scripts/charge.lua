-- NEEDS usage
-- Before a model call: reserve what it will use about, if the day's budget is not used up. `append` and `commit` put
-- what it has used in its place; a process that dies before that has paid already, and cannot spend without end.
-- ARGV  agent, token, turn, number of this call within the token's life (1, 2, ..), day, tokens, cost, the day's
--       limits of tokens and of cost ('' = none), prompt tokens, completion tokens and cost of the calls made since the
--       last step (tries that broke off are calls too); units as usage.lua has them
-- Returns the day's counters as {OK, '', tokens, cost, day}; {EXHAUSTED, tokens | cost, tokens, cost, day}, and nothing
-- is reserved; {LOST}; {FENCED, holder}. Repeated with the same number: the same, counted and reserved once. A process
-- has one call in the air: what another number reserves takes the place of what is reserved.
local agent, number, tokens, cost = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[6]), tonumber(ARGV[7])
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
local s = state_of(agent, 'turn', 'charged', 'exhausted')
if s.turn ~= ARGV[3] then return {'LOST'} end
local repeated = number <= tonumber(s.charged or 0)
local prompt, completion, spent = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
if not repeated and prompt + completion + spent > 0 then spend(agent, tonumber(ARGV[5]), prompt, completion, spent) end
local today = counters(agent, tonumber(ARGV[5]))

local function reached(used, reserved, limit) return limit ~= '' and used - reserved >= tonumber(limit) end

-- Told once for each day and limit, since every message of the day meets it; `resets` in seconds since 1970.
local function exhausted(what, limit)
  local mark = today.day .. ' ' .. what .. ' ' .. limit
  if s.exhausted ~= mark then
    call('HSET', state_key(agent), 'exhausted', mark)
    tell_usage(agent, '', 'budget', '{"exhausted":"%s","limit":%d,"day":%d,"tokens":%d,"costNano":%d,"resets":%d}',
      what, limit, today.day, today.tokens, today.cost, (today.day + 1) * 86400)
    mark_dirty(agent)
  end
  return {'EXHAUSTED', what, today.tokens, today.cost, today.day}
end

if not repeated then call('HSET', state_key(agent), 'charged', number) end
if reached(today.tokens, today.reserved_tokens, ARGV[8]) then return exhausted('tokens', ARGV[8]) end
if reached(today.cost, today.reserved_cost, ARGV[9]) then return exhausted('cost', ARGV[9]) end
if not repeated then count(agent, today, tokens, cost, true) end
return {'OK', '', today.tokens, today.cost, today.day}
