-- Joined behind prelude.lua: what model calls have used, in the agent's life and on one day.
-- Fields of state: prompt_tokens, completion_tokens, cost; day, day_tokens, day_cost, and how much of these two is
-- reserved for a call whose usage is not known yet: reserved_tokens, reserved_cost. Costs are in billionths of a
-- currency unit, a day is counted in UTC since 1970; all are whole numbers.
-- A tree: what all descendants of an agent use on a day is counted in tree_day, tree_tokens and tree_cost of the root's
-- state, reservations included; `reserved_in` of a descendant is the tree's day that its reservation was counted to.

-- The day's counters. The clocks of processes differ: a day that is over does not come back, whatever comes later
-- counts to the one that is stored. What was reserved on a day that is over went with it.
local function counters(agent, day)
  local s = state_of(agent, 'day', 'day_tokens', 'day_cost', 'reserved_tokens', 'reserved_cost', 'root', 'reserved_in')
  local root = s.root and s.root ~= '' and s.root or nil
  if tonumber(s.day or -1) < day then
    return {day = day, tokens = 0, cost = 0, reserved_tokens = 0, reserved_cost = 0, root = root}
  end
  return {day = tonumber(s.day), tokens = tonumber(s.day_tokens), cost = tonumber(s.day_cost), root = root,
    reserved_tokens = tonumber(s.reserved_tokens), reserved_cost = tonumber(s.reserved_cost),
    reserved_in = tonumber(s.reserved_in)}
end

-- What the descendants of a root have used on a day or, if that is over, on the last one that any of them counted to.
-- Nil when there is no such agent (any more).
local function tree_of(root, day)
  local s = state_of(root, 'uid', 'tree_day', 'tree_tokens', 'tree_cost')
  if not s.uid then return nil end
  if tonumber(s.tree_day or -1) < day then return {day = day, tokens = 0, cost = 0} end
  return {day = tonumber(s.tree_day), tokens = tonumber(s.tree_tokens), cost = tonumber(s.tree_cost)}
end

-- What of an agent's own reservation is counted in its tree.
local function reserved_in(tree, today)
  if today.reserved_in ~= tree.day then return 0, 0 end
  return today.reserved_tokens, today.reserved_cost
end

local function count_in_tree(agent, today, tokens, cost)
  local tree = tree_of(today.root, today.day)
  if not tree then return end
  local back_tokens, back_cost = reserved_in(tree, today)
  call('HSET', state_key(today.root), 'tree_day', tree.day, 'tree_tokens', tree.tokens - back_tokens + tokens,
    'tree_cost', tree.cost - back_cost + cost)
  call('HSET', state_key(agent), 'reserved_in', tree.day)
  mark_dirty(today.root)
end

-- Put these in the place of what is reserved. `reserved`: whether they are a reservation themselves.
local function count(agent, today, tokens, cost, reserved)
  if today.root then count_in_tree(agent, today, tokens, cost) end
  today.tokens = today.tokens - today.reserved_tokens + tokens
  today.cost = today.cost - today.reserved_cost + cost
  call('HSET', state_key(agent), 'day', today.day, 'day_tokens', today.tokens, 'day_cost', today.cost,
    'reserved_tokens', reserved and tokens or 0, 'reserved_cost', reserved and cost or 0)
end

-- What is reserved becomes a charge like any other.
local function keep_reserved(agent)
  local s = state_of(agent, 'reserved_tokens', 'reserved_cost')
  if (s.reserved_tokens or '0') ~= '0' or (s.reserved_cost or '0') ~= '0' then
    call('HSET', state_key(agent), 'reserved_tokens', 0, 'reserved_cost', 0)
  end
end

-- Add what a step of the open turn has used. Nothing at all: it is not known, and what was reserved stays charged.
local function spend(agent, day, prompt, completion, cost)
  local S = state_key(agent)
  if prompt + completion + cost > 0 then
    call('HINCRBY', S, 'prompt_tokens', prompt)
    call('HINCRBY', S, 'completion_tokens', completion)
    call('HINCRBY', S, 'cost', cost)
    count(agent, counters(agent, day), prompt + completion, cost)
  else
    keep_reserved(agent)
  end
end

-- A CUSTOM event about usage. cjson would write large numbers with fourteen digits and an exponent.
local function tell_usage(agent, thread, name, format, ...)
  write_event(agent, thread, string.format('{"type":"CUSTOM","name":"' .. name .. '","value":' .. format .. '}', ...))
end

-- Totals of the agent's life, and the day's counters.
local function tell_totals(agent, thread)
  local s = state_of(agent, 'turns', 'prompt_tokens', 'completion_tokens', 'cost', 'day', 'day_tokens', 'day_cost')
  tell_usage(agent, thread, 'usage', '{"turns":%d,"promptTokens":%d,"completionTokens":%d,"costNano":%d,'
    .. '"today":{"day":%d,"tokens":%d,"costNano":%d}}', s.turns, s.prompt_tokens or 0, s.completion_tokens or 0,
    s.cost or 0, s.day or 0, s.day_tokens or 0, s.day_cost or 0)
end
