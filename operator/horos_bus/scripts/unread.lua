-- NEEDS messages groups
-- What a member reads of a group when it is mentioned. Reads only: the place up to which it has read moves with the
-- commit.
-- ARGV  agent, token, group, uid of the group, id of the post that mentions it, id of the one that did so before in the
--       same turn ('' = none), how many posts at most, how many bytes of bodies at most
-- Returns {how many older ones are left out, posts as XRANGE gives them}, the newest last; who is no member any more
-- gets the one post alone. {0} with nothing when group or post are gone. {FENCED, holder}.
local agent, name, pointer, most, bytes = ARGV[1], ARGV[3], ARGV[5], tonumber(ARGV[7]), tonumber(ARGV[8])
local fenced = guard(agent, ARGV[2])
if fenced then return fenced end
if not group_of(name, ARGV[4]) then return {0, {}} end
local member = is_member(name, agent)
local start = math.max(number_of(string.match(member or '', '%S+$')), number_of(ARGV[6]),
  number_of(call('HGET', state_key(agent), cursor_field(name))))
-- Who has left, or come back since, reads what it was woken for.
if not member or number_of(pointer) <= start then start = number_of(pointer) - 1 end

local posts, before, full = {}, pointer, false
repeat
  local page = call('XREVRANGE', group_key(name, 'log'), before, '-', 'COUNT', 16)
  for _, entry in ipairs(page) do
    full = full or #posts == most or number_of(entry[1]) <= start
    if not full then
      bytes = bytes - #fields_of(entry).body
      full = bytes < 0 and #posts > 0
    end
    if full then break end
    table.insert(posts, 1, entry)
    before = '(' .. entry[1]
  end
until full or #page < 16
if #posts == 0 then return {0, {}} end
return {number_of(posts[1][1]) - start - 1, posts}
