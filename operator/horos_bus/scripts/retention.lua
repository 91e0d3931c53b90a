-- Joined behind turns.lua: how much of a thread is kept. Indexes of records stay absolute, whatever goes.
local RESULTS_BYTES = 16 * 1024 * 1024

-- Store long results beside the records that stand for them: ref (absolute index of the record), text, ref, text..
-- The oldest go when a thread has too many bytes of them.
local function offload(agent, thread, refs_and_texts)
  if #refs_and_texts == 0 then return end
  local results = results_key(agent, thread)
  call('HSET', results, unpack(refs_and_texts))
  local indexes, bytes = {}, 0
  for i, ref in ipairs(call('HKEYS', results)) do indexes[i] = tonumber(ref) end
  table.sort(indexes, function(a, b) return a > b end)
  for _, index in ipairs(indexes) do
    bytes = bytes + call('HSTRLEN', results, index)
    if bytes > RESULTS_BYTES then call('HDEL', results, index) end
  end
end

-- Drop the records before the absolute index `keep_from` with what was offloaded for them; `base` is where those of the
-- turn that closes begin, and they stay.
local function trim(agent, thread, keep_from, base)
  local first = bounds(agent, thread)
  local keep = math.min(keep_from, base)
  if keep <= first then return end
  call('HSET', key(agent, 'threads'), thread, keep)
  call('LTRIM', context_key(agent, thread), keep - first, -1)
  local results = results_key(agent, thread)
  for _, ref in ipairs(call('HKEYS', results)) do
    if tonumber(ref) < keep then call('HDEL', results, ref) end
  end
end
