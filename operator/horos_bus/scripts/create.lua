-- Give an agent its keys. Operator only (or the program that runs an agent by itself).
-- ARGV  agent, uid, its parent ('' = none), the root of their tree ('' = it has no parent)
-- Returns OK; SAME when this life exists already, with these two corrected; EXISTS when another uid has the name (delete
-- it first).
local agent, uid, parent, root = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local s = state_of(agent, 'uid', 'parent', 'root')

-- `parent_uid`: a later agent of its name is no parent of this one.
local function belong()
  if parent == (s.parent or '') and root == (s.root or '') then return end
  call('HSET', state_key(agent), 'parent', parent, 'root', root,
    'parent_uid', parent ~= '' and call('HGET', state_key(parent), 'uid') or '')
end

if s.uid == uid then belong() want(agent) return 'SAME' end
if s.uid then return 'EXISTS' end
call('XGROUP', 'CREATE', key(agent, 'inbox'), 'rt', '0', 'MKSTREAM')
call('HSET', state_key(agent), 'uid', uid, 'holder', '', 'epoch', 0, 'turn', '', 'thread', '', 'inputs', '',
  'untold', '', 'base', 0, 'state', 'idle', 'reason', '', 'message', '', 'attempt', 0, 'last', '',
  'version', 0, 'evict', '0', 'wake', '0', 'cancel', '', 'alone', '', 'request_ms', 3600000)
belong()
call('HSET', P .. 'agents', agent, uid)
mark_dirty(agent)
return 'OK'
