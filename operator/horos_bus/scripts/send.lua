-- A message from outside the bus, accepted once per mid for as long as the mid is remembered.
-- KEYS  all of the agent (Keys.of)
-- ARGV  to, to_uid ('' = any life), mid, from, thread, kind, body, cap, milliseconds to remember the mid
-- Returns OK; DUP (accepted before); FULL and NOAGENT, which remember nothing: the same mid may be tried again.
local to, mid, remember = ARGV[1], ARGV[3], tonumber(ARGV[9])
local seen = key(to, 'seen')
if call('ZSCORE', seen, mid) or call('EXISTS', P .. 'r:' .. mid) == 1 then return 'DUP' end
local outcome = deliver(to, ARGV[2], {mid = mid, from = ARGV[4], fuid = '', thread = ARGV[5], kind = ARGV[6],
  re = '', body = ARGV[7]}, tonumber(ARGV[8]))
if outcome == 'OK' then
  local t = now()
  call('ZADD', seen, t, mid)
  call('ZREMRANGEBYSCORE', seen, '-inf', t - remember)
  call('PEXPIRE', seen, remember)
end
return outcome
