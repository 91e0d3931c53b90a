-- Give an agent its keys. Operator only (or the program that runs an agent by itself).
-- ARGV  agent, uid
-- Returns OK; SAME when this life exists already; EXISTS when another uid has the name (delete it first).
local agent, uid = ARGV[1], ARGV[2]
local known = call('HGET', state_key(agent), 'uid')
if known == uid then want(agent) return 'SAME' end
if known then return 'EXISTS' end
call('XGROUP', 'CREATE', key(agent, 'inbox'), 'rt', '0', 'MKSTREAM')
call('HSET', state_key(agent), 'uid', uid, 'holder', '', 'epoch', 0, 'turn', '', 'thread', '', 'inputs', '',
  'untold', '', 'base', 0, 'state', 'idle', 'reason', '', 'message', '', 'attempt', 0, 'last', '',
  'version', 0, 'evict', '0', 'wake', '0', 'cancel', '', 'alone', '', 'request_ms', 3600000)
call('HSET', P .. 'agents', agent, uid)
mark_dirty(agent)
return 'OK'
