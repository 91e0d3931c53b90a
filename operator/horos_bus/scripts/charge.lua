-- NEEDS usage
-- Before a model call: reserve what it will use about, if the day's budget is not used up. `append` and `commit` put
-- what it has used in its place; a process that dies before that has paid already, and cannot spend without end.
-- ARGV  agent, token, turn, number of this call within the token's life (1, 2, ..), day, tokens, cost, the day's
--       limits of tokens and of cost ('' = none), prompt tokens, completion tokens and cost of the calls made since the
--       last step (tries that broke off are calls too); units as usage.lua has them
-- Returns the day's counters as {OK, '', tokens, cost, day}; {EXHAUSTED, tokens | cost, tokens, cost, day}, and nothing
-- is reserved; {EXHAUSTED, tree tokens | tree cost, tokens and cost of the whole tree, day, its root, the root's limit};
-- {LOST}; {FENCED, holder}. Repeated with the same number: the same, counted and reserved once. A process has one call
-- in the air: what another number reserves takes the place of what is reserved.
-- The root's limits hold for its whole tree; they are looked at with each call that somebody in it makes.
local agent, number, tokens, cost = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[6]), tonumber(ARGV[7])
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
local s = state_of(agent, 'turn', 'charged', 'exhausted', 'tree_day')
if s.turn ~= ARGV[3] then return {'LOST'} end
local repeated = number <= tonumber(s.charged or 0)
local prompt, completion, spent = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
if not repeated and prompt + completion + spent > 0 then spend(agent, tonumber(ARGV[5]), prompt, completion, spent) end
local today = counters(agent, tonumber(ARGV[5]))

local function reached(used, reserved, limit) return limit and limit ~= '' and used - reserved >= tonumber(limit) end

-- Told once for each day and limit, since every message of the day meets it; `resets` in seconds since 1970.
local function exhausted(what, limit, used, ...)
  local mark = used.day .. ' ' .. what .. ' ' .. limit
  if s.exhausted ~= mark then
    call('HSET', state_key(agent), 'exhausted', mark)
    tell_usage(agent, '', 'budget', '{"exhausted":"%s","limit":%d,"day":%d,"tokens":%d,"costNano":%d,"resets":%d}',
      what, limit, used.day, used.tokens, used.cost, (used.day + 1) * 86400)
    mark_dirty(agent)
  end
  return {'EXHAUSTED', what, used.tokens, used.cost, used.day, ...}
end

-- What the root and all below it have used, on the latest day that any of them counts to.
local function whole_tree(root)
  local tree, own = tree_of(root, today.day), counters(root, today.day)
  if not tree then return nil end
  if tree.day > own.day then own.tokens, own.cost = 0, 0 end
  if own.day > tree.day then tree.tokens, tree.cost = 0, 0 end
  return {day = math.max(tree.day, own.day), tokens = tree.tokens + own.tokens, cost = tree.cost + own.cost}
end

local function tree_exhausted()
  local root = today.root or s.tree_day and agent
  local tree = root and whole_tree(root)
  if not tree then return nil end
  local limits = state_of(root, 'tree_tokens_limit', 'tree_cost_limit')
  local mine, my_cost = reserved_in(tree, today)
  if not today.root and tree.day == today.day then mine, my_cost = today.reserved_tokens, today.reserved_cost end
  if reached(tree.tokens, mine, limits.tree_tokens_limit) then
    return exhausted('tree tokens', limits.tree_tokens_limit, tree, root, limits.tree_tokens_limit)
  end
  if reached(tree.cost, my_cost, limits.tree_cost_limit) then
    return exhausted('tree cost', limits.tree_cost_limit, tree, root, limits.tree_cost_limit)
  end
end

if not repeated then call('HSET', state_key(agent), 'charged', number) end
if reached(today.tokens, today.reserved_tokens, ARGV[8]) then return exhausted('tokens', ARGV[8], today) end
if reached(today.cost, today.reserved_cost, ARGV[9]) then return exhausted('cost', ARGV[9], today) end
local above = tree_exhausted()
if above then return above end
if not repeated then count(agent, today, tokens, cost, true) end
return {'OK', '', today.tokens, today.cost, today.day}
