-- Deletes every key that matches the pattern, but not KEYS[1], in one step: a projector that runs meanwhile sees all or nothing.
-- ARGV  pattern
local deleted = 0
local cursor = '0'
repeat
  local reply = redis.call('SCAN', cursor, 'MATCH', ARGV[1], 'COUNT', 1000)
  cursor = reply[1]
  for _, key in ipairs(reply[2]) do
    if key ~= KEYS[1] then
      deleted = deleted + redis.call('UNLINK', key)
    end
  end
until cursor == '0'
return deleted
