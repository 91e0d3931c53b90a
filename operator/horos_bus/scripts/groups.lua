-- Joined behind messages.lua: what is said in groups, and how far each member has read.
-- groups: G -> uid. g:<G>:meta: uid, wake (Mentioned | All), retain, last (id of the newest post, 0-0 = none).
-- g:<G>:members: A -> '<uid of the agent> <id behind which it may read>'. g:<G>:log: the posts. g:<G>:seen: mids of
-- posts from outside. State field cur:<G>: the id up to which an agent has read.
-- Ids of posts are <ms>-<number>: numbers grow by 1, so one id says when, in which order, and how many lie between two.
local NOTHING_POSTED = '0-0'

local function group_key(group, part) return P .. 'g:' .. group .. ':' .. part end
local function number_of(id) return tonumber(string.match(id or '', '%-(%d+)$') or 0) end
local function cursor_field(group) return 'cur:' .. group end

-- Nil when there is no such group; `uid` '' = any of the name.
local function group_of(group, uid)
  local values = call('HMGET', group_key(group, 'meta'), 'uid', 'wake', 'retain', 'last')
  if not values[1] or (uid ~= '' and uid ~= values[1]) then return nil end
  return {name = group, uid = values[1], wake = values[2], retain = values[3], last = values[4]}
end

local function is_member(group, agent) return call('HGET', group_key(group, 'members'), agent) end

-- The number up to which a member has read, or need not. Nil: it is none, or another life of one.
local function has_read(agent, group)
  local life, joined = string.match(is_member(group, agent) or '', '^(%S+) (%S+)$')
  if not life or life ~= call('HGET', state_key(agent), 'uid') then return nil end
  return math.max(number_of(joined), number_of(call('HGET', state_key(agent), cursor_field(group))))
end

-- Who belongs to the group has read up to this id, and what it wrote itself right behind that. It forgets the place
-- again when it leaves. Places only go forward, since mentions are read in the order in which they came.
local function read_up_to(agent, group, uid, id)
  if not group_of(group, uid) or not is_member(group, agent) then return end
  for _, entry in ipairs(call('XRANGE', group_key(group, 'log'), '(' .. id, '+', 'COUNT', 8)) do
    if fields_of(entry).from ~= agent then break end
    id = entry[1]
  end
  call('HSET', state_key(agent), cursor_field(group), id)
end

-- Store a post behind all others: mid, from ('' = a person), who, body, mentions; of an answer `answers`, the mentions
-- that it answers, and `error`. Whoever had read everything before has read its own post, too. Returns its id.
local function write_post(group, post)
  local before = group.last
  local ms = math.max(now(), tonumber(string.match(before, '^%d+')))
  local id = string.format('%d-%d', ms, number_of(before) + 1)
  local fields = {'mid', post.mid, 'from', post.from, 'who', post.who, 'body', post.body, 'mentions', post.mentions}
  if post.answers then fields[11], fields[12] = 'answers', post.answers end
  if post.error then fields[13], fields[14] = 'error', '1' end
  call('XADD', group_key(group.name, 'log'), 'MAXLEN', '=', group.retain, id, unpack(fields))
  call('HSET', group_key(group.name, 'meta'), 'last', id)
  group.last = id
  if post.from ~= '' and has_read(post.from, group.name) == number_of(before) then
    read_up_to(post.from, group.name, group.uid, id)
  end
  return id
end

-- One answer of an agent to mentions ({mid, group, guid}..) of one group: a quiet post, which wakes nobody. Whoever has
-- nothing to say posts nothing, and a group that is gone hears nothing.
local function answer_mentions(agent, mentions, said)
  local group = group_of(mentions[1].group, mentions[1].guid)
  if not group or (said.body == '' and not said.failed) then return end
  local mids = {}
  for i, mention in ipairs(mentions) do mids[i] = mention.mid end
  write_post(group, {mid = mids[1] .. '!answer', from = agent, who = '', body = said.body, mentions = '',
    answers = table.concat(mids, ' '), error = said.failed})
end
