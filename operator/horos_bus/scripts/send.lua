-- NEEDS messages
-- A message from outside the bus, accepted once per mid for as long as the mid is remembered.
-- ARGV  to, to_uid ('' = any life), mid, from, thread, kind, body, cap, milliseconds to remember the mid,
--       milliseconds of delay
-- Returns OK; DUP (accepted before); FULL and NOAGENT, which remember nothing: the same mid may be tried again.
-- A delayed message belongs to the life that it was sent to, and meets the cap when it is due.
local to, to_uid, mid, cap, remember, delay =
  ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local seen = key(to, 'seen')
if call('ZSCORE', seen, mid) or call('EXISTS', P .. 'r:' .. mid) == 1 then return 'DUP' end
local message = {mid = mid, from = ARGV[4], fuid = '', thread = ARGV[5], kind = ARGV[6], re = '', body = ARGV[7]}
local t = now()
local outcome = delay > 0 and put_off(to, to_uid, message, cap, delay)
  or delay == 0 and deliver(to, to_uid, message, cap)
if outcome == 'OK' then
  call('ZADD', seen, t + delay, mid)
  call('ZREMRANGEBYSCORE', seen, '-inf', t - remember)
  -- The mid of a delayed message is remembered for as long after it is due.
  call('PEXPIRE', seen, math.max(remember + delay, call('PTTL', seen)))
end
return outcome
