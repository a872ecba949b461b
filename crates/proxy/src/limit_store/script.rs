//! The rule of rate limits as a script of Redis: the same as `irongate_traffic::limit`, number by number.
//!
//! A key holds the moment at which its burst is whole again, in seconds and nanoseconds: Lua's numbers are floating point, and
//! exact for whole numbers below 2⁵³, which is 104 days of nanoseconds. So moments are compared by how far ahead of now they
//! are. The server's own clock counts, to the microsecond; that of the replicas means nothing. A key that would begin anew
//! is forgotten by the server.
//!
//! `KEYS`: one a limit. `ARGV`: for each its interval and tolerance in nanoseconds, and 1 for a dry run. Says for each how many
//! nanoseconds to wait, 0 where it is counted; nothing more after the first that refuses.

#[cfg(test)]
mod tests;

/// The script. Its first line is where the time comes from.
pub(super) const SCRIPT: &str = "local time = redis.call('TIME')
local second, micro = tonumber(time[1]), tonumber(time[2])
local said = {}
for place, key in ipairs(KEYS) do
  local interval, tolerance = tonumber(ARGV[3 * place - 2]), tonumber(ARGV[3 * place - 1])
  local ahead = 0
  local kept = redis.call('GET', key)
  if kept then
    local at_second, at_nano = string.match(kept, '^(%d+) (%d+)$')
    if at_second then
      ahead = math.max(0, (tonumber(at_second) - second) * 1e9 + tonumber(at_nano) - micro * 1000)
    end
  end
  if ahead > tolerance then
    said[place] = ahead - tolerance
    if ARGV[3 * place] ~= '1' then break end
  else
    local nano = micro * 1000 + ahead + interval
    local moment = string.format('%.0f %.0f', second + math.floor(nano / 1e9), nano % 1e9)
    redis.call('SET', key, moment, 'PX', string.format('%.0f', math.ceil((ahead + interval) / 1e6)))
    said[place] = 0
  end
end
return said
";
