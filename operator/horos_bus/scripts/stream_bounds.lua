-- Where an agent's event stream stands, and the snapshot that a watcher with a gap needs. Reads only.
-- ARGV  agent
-- Returns {whether the agent exists, id of the oldest event or '', id of the newest or '', STATE_SNAPSHOT as JSON}.
local agent = ARGV[1]
local s = state_of(agent, 'uid', 'state', 'reason', 'message', 'turn')
if not s.uid then return {0, '', '', ''} end
local oldest = call('XRANGE', key(agent, 'events'), '-', '+', 'COUNT', 1)[1]
local newest = call('XREVRANGE', key(agent, 'events'), '+', '-', 'COUNT', 1)[1]
return {1, oldest and oldest[1] or '', newest and newest[1] or '',
  cjson.encode(snapshot(s.state, s.reason, s.message, s.turn))}
