-- Joined behind prelude.lua: what tool servers ask a person for in the middle of a call. It lives no longer than its
-- turn and the process that has it.
-- a:<A>:elicitations: id -> JSON: thread, turn, tool, server, message, schema and content (opaque texts), asked and
-- deadline (ms), status (pending, approved, denied, withdrawn), who, reason, decided (ms).
local ELICITATIONS_LIMIT = 100

local function elicitation_of(agent, id)
  local text = call('HGET', key(agent, 'elicitations'), id)
  return text and cjson.decode(text)
end

-- Nobody has to answer any more.
local function take_back(agent, id, asked)
  if asked.status ~= 'pending' then return end
  asked.status = 'withdrawn'
  custom(agent, asked.thread, 'elicitation', outcome_of(id, asked))
  mark_dirty(agent)
end

local function drop_elicitations(agent)
  local flat = call('HGETALL', key(agent, 'elicitations'))
  for i = 1, #flat, 2 do
    call('HDEL', key(agent, 'elicitations'), flat[i])
    take_back(agent, flat[i], cjson.decode(flat[i + 1]))
  end
end
