-- NEEDS messages groups posting
-- A message to a group from outside the bus, accepted once per mid for as long as the mid is remembered.
-- ARGV  group, its uid ('' = any group of the name), mid, who, body, cap, milliseconds to remember the mid, mentions..
-- Returns {OK, id, names woken, names whose inbox is full, names that are no members}; {DUP}; {NOGROUP}, which
-- remembers nothing.
local mid, remember = ARGV[3], tonumber(ARGV[7])
local group = group_of(ARGV[1], ARGV[2])
if not group then return {'NOGROUP'} end
local seen = group_key(group.name, 'seen')
if call('ZSCORE', seen, mid) then return {'DUP'} end
call('ZADD', seen, now(), mid)
call('ZREMRANGEBYSCORE', seen, '-inf', now() - remember)
call('PEXPIRE', seen, remember)
local id, woken, full, strangers = post_to(group, {mid = mid, from = '', fuid = '', who = ARGV[4], body = ARGV[5],
  mentions = table.concat(ARGV, ' ', 8)}, tonumber(ARGV[6]))
return {'OK', id, woken, full, strangers}
