-- Tell people where they stand: who waits for a slot, the next one first. Operator only.
-- ARGV  agents..
-- Returns OK; SAME when this is what is told already. An agent that was deleted meanwhile is left out, or its name would
-- stay when nobody is left to tell of.
local CHUNK = 1000
local queue = P .. 'queue'

-- Lua passes on only so many values at once.
local function in_chunks(list, act)
  for from = 1, #list, CHUNK do act(from, math.min(from + CHUNK - 1, #list)) end
end

local waiting = {}
in_chunks(ARGV, function(from, to)
  for i, uid in ipairs(call('HMGET', P .. 'agents', unpack(ARGV, from, to))) do
    if uid then waiting[#waiting + 1] = ARGV[from + i - 1] end
  end
end)
local told, gone, same = call('ZRANGE', queue, 0, -1), {}, true
for i = 1, math.max(#told, #waiting) do same = same and told[i] == waiting[i] end
if same then return 'SAME' end

local places, here = {}, {}
for place, agent in ipairs(waiting) do
  places[2 * place - 1], places[2 * place], here[agent] = place, agent, true
end
for _, agent in ipairs(told) do
  if not here[agent] then gone[#gone + 1] = agent end
end
in_chunks(places, function(from, to) call('ZADD', queue, unpack(places, from, to)) end)
in_chunks(gone, function(from, to) call('ZREM', queue, unpack(gone, from, to)) end)
if #waiting == 0 then call('UNLINK', P .. 'crowded') return 'OK' end
-- Whoever has come to rest until now had nobody to ring for.
if call('SET', P .. 'crowded', 1, 'NX') then ring(waiting[1]) end
return 'OK'
