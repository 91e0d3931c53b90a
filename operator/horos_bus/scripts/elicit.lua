-- NEEDS elicitations
-- A tool server asks a person for something in the middle of a running call.
-- ARGV  agent, token, turn, id, tool, server, message, schema of the values (JSON text), milliseconds to wait
-- Returns {OK}; {LIMIT} when the turn has asked too often; {LOST}; {FENCED, holder}. Repeated: OK, asked once.
local agent, turn, id = ARGV[1], ARGV[3], ARGV[4]
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
local s = state_of(agent, 'turn', 'thread')
if s.turn ~= turn then return {'LOST'} end
if elicitation_of(agent, id) then return {'OK'} end
if call('HLEN', key(agent, 'elicitations')) >= ELICITATIONS_LIMIT then return {'LIMIT'} end
local asked = {thread = s.thread, turn = turn, tool = ARGV[5], server = ARGV[6], message = ARGV[7], schema = ARGV[8],
  asked = now(), deadline = now() + ARGV[9], status = 'pending'}
call('HSET', key(agent, 'elicitations'), id, cjson.encode(asked))
custom(agent, s.thread, 'elicitation', {id = id, tool = asked.tool, server = asked.server, message = asked.message,
  schema = asked.schema, deadline = asked.deadline, status = 'pending'})
mark_dirty(agent)
return {'OK'}
