-- NEEDS messages groups posting
-- End a group: every key goes, and what its members remember of it. Operator only.
-- ARGV  group, uid
-- Mentions that lie in inboxes stay; whoever reads them finds the group gone, and answers nobody. Authors of delayed posts
-- hear that nothing comes of them.
-- Returns OK, or GONE when this group is gone already.
local name = ARGV[1]
if not group_of(name, ARGV[2]) then return 'GONE' end
-- First, because no lack of memory refuses it, nor then anything behind it.
call('HDEL', P .. 'groups', name)
for _, agent in ipairs(call('HKEYS', group_key(name, 'members'))) do
  call('HDEL', state_key(agent), cursor_field(name))
end
for _, part in ipairs({'meta', 'members', 'log', 'seen'}) do call('UNLINK', group_key(name, part)) end
local cursor = '0'
repeat
  local page = call('ZSCAN', P .. 'later', cursor, 'MATCH', 'post ' .. name .. ' *', 'COUNT', 1000)
  cursor = page[1]
  for i = 1, #page[2], 2 do
    if call('ZREM', P .. 'later', page[2][i]) == 1 then tell_author(delayed_post_of(name, page[2][i]), unposted(name)) end
  end
until cursor == '0'
return 'OK'
