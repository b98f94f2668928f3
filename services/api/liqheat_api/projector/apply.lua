-- Applies the writes of one batch of one Kafka partition, all or nothing.
-- KEYS  positions, fences
-- ARGV  position field, position before, position after, number of fences,
--       (field, expected fence or '', new fence)*, (number of words, words...)*
local stored = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '-1')
if stored < tonumber(ARGV[2]) then
  return 'gap'
end
local at = 5
for _ = 1, tonumber(ARGV[4]) do
  if (redis.call('HGET', KEYS[2], ARGV[at]) or '') ~= ARGV[at + 1] then
    return 'conflict'
  end
  at = at + 3
end
for i = 5, at - 1, 3 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 2])
end
while at <= #ARGV do
  local words = tonumber(ARGV[at])
  local first, last = at + 1, at + words
  if ARGV[first] == 'TRIM' then
    local fields = redis.call('HKEYS', ARGV[first + 1])
    local newest = -1
    for _, name in ipairs(fields) do
      newest = math.max(newest, tonumber(name))
    end
    for _, name in ipairs(fields) do
      if tonumber(name) < newest - tonumber(ARGV[first + 2]) then
        redis.call('HDEL', ARGV[first + 1], name)
      end
    end
  else
    redis.call(unpack(ARGV, first, last))
  end
  at = last + 1
end
if tonumber(ARGV[3]) > stored then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 'ok'
